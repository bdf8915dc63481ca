//! Random networks for studies of speed: of a given density, with rates that were asked for.

mod fit;
mod weights;

use std::sync::Arc;

pub use weights::random_rows;

use crate::encode;
use crate::error::NetworkError;
use crate::network::connectivity::{Connectivity, Conv2d, Conv2dGeometry};
use crate::network::{Layout, Network, NetworkBuilder, Neuron, PopulationId};
use crate::neuron::Reset;
use crate::neuron::models::{Accumulator, IntegrateFire};
use crate::per_neuron::PerNeuron;
use crate::record::Raster;
use crate::simulator::EventSimulator;

/// Steps of the runs in which the rates of a random network are fitted and measured.
pub const FITTED_STEPS: u32 = 256;

/// The most synapses, or shared weights of a convolution, that a random network may be expected to have: 2³².
pub const MOST_SYNAPSES: f64 = 4_294_967_296.0;

/// The populations of a random network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Populations of these sizes, each fully connected to the next, but for what the density leaves out.
    Layers(Vec<u32>),
    /// One convolution of stride 1 whose target has the height and width of its source.
    Convolution {
        /// Channels, height and width of the source.
        source: [u32; 3],
        /// Channels of the target.
        channels: u32,
        /// Taps down and across, an odd number.
        kernel: u32,
    },
}

/// A recipe for a random network. The same recipe gives the same network, bit for bit, on every platform.
///
/// Each weight is present with probability `density` and then uniform in (−gain, gain). The gain of a
/// population is fitted: its neurons, which have threshold 1 and subtract it when they fire, then fire at
/// about `rate` on average, over [`FITTED_STEPS`] steps from rest, when the source fires at `rate` too.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomNetwork {
    /// Its populations.
    pub plan: Plan,
    /// The share of the weights that is there, in (0, 1].
    pub density: f64,
    /// Spikes per neuron and step, in (0, 1).
    pub rate: f64,
    /// The bias of every neuron that fires.
    pub bias: f32,
    /// Whether the last population fires too, instead of only integrating.
    pub firing_output: bool,
    /// Seed of the weights and of the input spikes that they are fitted to.
    pub seed: u64,
}

/// A population of a random network as it came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// Its name.
    pub name: String,
    /// Its neurons.
    pub neurons: usize,
    /// Weights stored on the way to it; 0 for the source.
    pub weights: u64,
    /// The largest magnitude that a weight may have; `None` for the source.
    pub gain: Option<f32>,
    /// Spikes per neuron and step in the finished network; `None` if it never fires.
    pub rate: Option<f64>,
}

impl RandomNetwork {
    /// The network, and what its populations are like.
    ///
    /// Cost: a few runs per population, O(weights) memory.
    ///
    /// # Errors
    /// If a number is out of range, the network would be too large, or a population cannot fire at the rate.
    pub fn make(&self) -> Result<(Network, Vec<Fitted>), NetworkError> {
        self.check()?;
        let layouts = self.layouts();
        let samples = fit::samples(&layouts);
        let source = layouts[0].neurons().unwrap_or(0) as usize;
        let x = vec![self.rate as f32; source];
        let mut rasters = (0..samples)
            .map(|sample| encode::bernoulli(&x, FITTED_STEPS, self.stream_seed(0), sample))
            .collect::<Result<Vec<Raster>, _>>()?;
        let mut builder = NetworkBuilder::new();
        let mut before = builder.population("input", layouts[0], Neuron::Source);
        let mut fitted = vec![Fitted {
            name: "input".to_owned(),
            neurons: source,
            weights: 0,
            gain: None,
            rate: Some(fit::rate(&rasters, source)),
        }];
        for (index, layout) in layouts.iter().enumerate().skip(1) {
            let last = index + 1 == layouts.len();
            let fires = !last || self.firing_output;
            let name = if fires { format!("layer{index}") } else { "output".to_owned() };
            let pair = Pair { source: layouts[index - 1], target: *layout };
            let seed = self.stream_seed(index);
            let gain = if fires {
                self.fitted_gain(pair, seed, &rasters).map_err(|error| error.within(&name))?
            } else {
                self.first_guess(pair)
            };
            let connectivity = self.connectivity(pair, seed, gain)?;
            let neuron = if fires {
                self.firing(1.0, self.bias)?
            } else {
                Neuron::of(Accumulator { bias: PerNeuron::same(0.0)? })
            };
            let neurons = layout.neurons().unwrap_or(0) as usize;
            let rate = if fires {
                rasters = fit::run(&self.alone(pair, connectivity.clone(), neuron.clone())?, &rasters)?;
                Some(fit::rate(&rasters, neurons))
            } else {
                None
            };
            let weights = stored(&connectivity);
            let target = builder.population(&name, *layout, neuron);
            builder.projection(before, target, 0, connectivity);
            fitted.push(Fitted { name, neurons, weights, gain: Some(gain), rate });
            before = target;
        }
        Ok((builder.build()?, fitted))
    }

    fn check(&self) -> Result<(), NetworkError> {
        let refuse = |at: &str, what: String| Err(NetworkError::new(format!("random network: {at}"), what));
        if !(self.density > 0.0 && self.density <= 1.0) {
            return refuse("density", format!("is {}; allowed are numbers above 0, up to 1", self.density));
        }
        if !(self.rate > 0.0 && self.rate < 1.0) {
            return refuse("rate", format!("is {}; allowed are numbers between 0 and 1", self.rate));
        }
        if !(self.bias.is_finite() && self.bias.abs() <= 1.0) {
            return refuse("bias", format!("is {}; allowed are −1 to 1, the threshold being 1", self.bias));
        }
        let (sizes, weights) = match &self.plan {
            Plan::Layers(sizes) => {
                if sizes.len() < 2 {
                    return refuse("sizes", format!("are {sizes:?}; allowed are at least two populations"));
                }
                let weights = sizes.windows(2).map(|pair| f64::from(pair[0]) * f64::from(pair[1])).sum();
                (sizes.clone(), weights)
            }
            Plan::Convolution { source, channels, kernel } => {
                if kernel % 2 == 0 || *kernel > 1 << 12 {
                    return refuse("kernel", format!("is {kernel}; allowed are odd numbers up to 4095"));
                }
                let target = [*channels, source[1], source[2]];
                let Some(neurons) = [*source, target].map(volume).into_iter().collect::<Option<Vec<u32>>>()
                else {
                    return refuse(
                        "images",
                        format!("{source:?} and {target:?} have more than 2^32 neurons"),
                    );
                };
                let taps = f64::from(*kernel) * f64::from(*kernel);
                (neurons, taps * f64::from(source[0]) * f64::from(*channels))
            }
        };
        if sizes.contains(&0) || sizes.iter().map(|&size| u64::from(size)).sum::<u64>() > 1 << 31 {
            return refuse(
                "sizes",
                format!("are {sizes:?}; allowed are sizes of at least 1 and 2^31 neurons in all"),
            );
        }
        // Weights that are all there are stored in full, the others with their columns.
        if weights * self.density > MOST_SYNAPSES {
            return refuse(
                "size",
                format!(
                    "makes about {:.2e} weights; allowed are {MOST_SYNAPSES:.2e}",
                    weights * self.density
                ),
            );
        }
        Ok(())
    }

    fn layouts(&self) -> Vec<Layout> {
        match &self.plan {
            Plan::Layers(sizes) => sizes.iter().map(|&size| Layout::Flat(size)).collect(),
            Plan::Convolution { source: [from, height, width], channels, .. } => {
                let image = |channels| Layout::Image { channels, height: *height, width: *width };
                vec![image(*from), image(*channels)]
            }
        }
    }

    /// The input spikes (0) and the weights to each population have streams of their own, and none is that of
    /// the input of a later run with the same seed.
    fn stream_seed(&self, index: usize) -> u64 {
        encode::split_mix(self.seed ^ 0x5EED_0F57_0D1E_5000) ^ index as u64
    }

    /// The weights between two populations, or one such table shared by all positions.
    fn connectivity(&self, pair: Pair, seed: u64, gain: f32) -> Result<Connectivity, NetworkError> {
        let rows = |rows, width| random_rows(rows, width, self.density, gain, seed);
        match (&self.plan, pair.source, pair.target) {
            (
                Plan::Convolution { kernel, .. },
                Layout::Image { channels, height, width },
                Layout::Image { channels: out, .. },
            ) => {
                let geometry = Conv2dGeometry {
                    source: [height, width, channels],
                    target: [height, width, out],
                    pool: [1, 1],
                    kernel: [*kernel; 2],
                    stride: [1, 1],
                    dilation: [1, 1],
                    padding: [kernel / 2; 2],
                    groups: 1,
                };
                Ok(Connectivity::Conv2d(Conv2d::new(geometry, rows(geometry.rows(), out as usize)?)?))
            }
            _ => {
                let [from, to] = [pair.source, pair.target].map(|layout| layout.neurons().unwrap_or(0));
                Ok(Connectivity::Rows(rows(from as usize, to as usize)?))
            }
        }
    }

    fn firing(&self, threshold: f32, bias: f32) -> Result<Neuron, NetworkError> {
        Ok(Neuron::of(IntegrateFire {
            threshold: PerNeuron::same(threshold)?,
            bias: PerNeuron::same(bias)?,
            start: PerNeuron::same(0.0)?,
            reset: Reset::Subtract,
        }))
    }

    /// One population with what reaches it.
    fn alone(
        &self,
        pair: Pair,
        connectivity: Connectivity,
        neuron: Neuron,
    ) -> Result<EventSimulator, NetworkError> {
        let mut builder = NetworkBuilder::new();
        let source = builder.population("source", pair.source, Neuron::Source);
        let target = builder.population("target", pair.target, neuron);
        builder.projection(source, target, 0, connectivity);
        Ok(EventSimulator::new(Arc::new(builder.build()?)))
    }

    /// The gain at which the mean drift of half of the neurons would bring the rate.
    ///
    /// With m synapses of uniform weights in (−g, g), whose standard deviation is g/√3, from sources that
    /// fire at rate r, the drift of a neuron has the standard deviation g·r·√(m/3), and its positive part
    /// the mean 0.4 of that.
    fn first_guess(&self, pair: Pair) -> f32 {
        let fan_in = match &self.plan {
            Plan::Layers(_) => f64::from(pair.source.neurons().unwrap_or(1)),
            Plan::Convolution { source, kernel, .. } => {
                f64::from(*kernel) * f64::from(*kernel) * f64::from(source[0])
            }
        };
        // √ is exact in IEEE arithmetic, so this is the same everywhere.
        (1.0 / (0.4 * (fan_in * self.density / 3.0).sqrt().max(1.0))) as f32
    }

    /// The gain at which the neurons fire at the rate. Instead of the weights, threshold and bias are
    /// scaled while it is searched.
    fn fitted_gain(&self, pair: Pair, seed: u64, rasters: &[Raster]) -> Result<f32, NetworkError> {
        let weights = self.connectivity(pair, seed, 1.0)?;
        let neurons = pair.target.neurons().unwrap_or(0) as usize;
        let rate = |gain: f32| {
            let neuron = self.firing(1.0 / gain, self.bias / gain)?;
            let rasters = fit::run(&self.alone(pair, weights.clone(), neuron)?, rasters)?;
            Ok(fit::rate(&rasters, neurons))
        };
        fit::gain(self.rate, self.first_guess(pair), rate)
    }
}

/// The layouts of two populations, one connected to the other.
#[derive(Clone, Copy)]
struct Pair {
    source: Layout,
    target: Layout,
}

fn volume(shape: [u32; 3]) -> Option<u32> {
    shape[0].checked_mul(shape[1])?.checked_mul(shape[2])
}

fn stored(connectivity: &Connectivity) -> u64 {
    match connectivity {
        Connectivity::Rows(rows) => rows.synapses(),
        Connectivity::Conv2d(conv) => conv.rows().synapses(),
        Connectivity::OneToOne(one) => one.size() as u64,
    }
}

/// The population of a network with two: the one behind the source.
const TARGET: PopulationId = PopulationId(1);

#[cfg(test)]
mod tests;
