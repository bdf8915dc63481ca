//! The quantised network that a spiking one comes to rest at, computed from its weights, without a run.
//!
//! Where input and biases arrive once and every neuron may take back what it gave, a network that is at rest has said, layer by
//! layer, `A = clip(⌊v/θ⌋, low, high)` of all that a neuron received, `v = start + bias + current + Σ w·A_source`: the network
//! of its rounded activations, whatever the order of the spikes (ST-BIF of SpikeZIP-TF, You et al. 2024). Here `v` is computed in
//! double precision from the counts that the sources came to rest at. A run adds in single precision, so where `v/θ` is nearer to
//! a whole number than its rounding errors can be large, a count may be the one beside it: a *tie*. Neurons whose numbers
//! are all multiples of one power of two, and whose sums stay below 2²⁴ of it, add exactly and have none.

use snn_engine::{
    Accumulator, Bipolar, Connectivity, Drive, Network, Neuron, Observer, PerNeuron, PopulationId, Sign,
    SpikeSlice,
};
use std::fmt;

/// Why a network does not settle at a quantised one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsettled {
    /// The population that keeps it from that.
    pub population: String,
    /// Why.
    pub reason: String,
}

impl std::error::Error for Unsettled {}

impl fmt::Display for Unsettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "population `{}` {}, so that the network is not at rest at a quantised one; those that do are made with settling \
             neurons (bipolar, signed) and maxima, feed-forward",
            self.population, self.reason
        )
    }
}

/// What every neuron emitted in a run.
#[derive(Clone, Debug, Default)]
pub struct Emitted {
    /// Of every population the sum of the values of each neuron's spikes.
    counts: Vec<Vec<i64>>,
    /// The sum of their magnitudes.
    magnitudes: Vec<Vec<u64>>,
    /// Their number.
    events: Vec<Vec<u32>>,
}

impl Emitted {
    /// Nothing, yet.
    #[must_use]
    pub fn none(network: &Network) -> Self {
        let sizes = || network.populations().iter().map(|population| population.size());
        Self {
            counts: sizes().map(|size| vec![0; size]).collect(),
            magnitudes: sizes().map(|size| vec![0; size]).collect(),
            events: sizes().map(|size| vec![0; size]).collect(),
        }
    }

    /// The counts of a population.
    #[must_use]
    pub fn counts(&self, population: PopulationId) -> &[i64] {
        &self.counts[population.index()]
    }
}

impl Observer for Emitted {
    fn spikes(&mut self, population: PopulationId, _step: u64, spikes: SpikeSlice<'_>) {
        let place = population.index();
        for (neuron, value) in spikes.iter() {
            let neuron = neuron as usize;
            self.counts[place][neuron] += i64::from(value);
            self.magnitudes[place][neuron] += u64::from(value.unsigned_abs());
            self.events[place][neuron] += 1;
        }
    }
}

/// What the neurons of a population came to rest at, beside the quantised network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rest {
    /// Neurons that lie so near to a whole number of thresholds that rounding errors could decide.
    pub near: usize,
    /// Of them, those whose count is the one beside that of exact sums.
    pub ties: usize,
    /// The first neuron that differs and is no tie.
    pub wrong: Option<Wrong>,
}

/// A neuron that is not where it should be at rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wrong {
    /// Its place, in the engine's order.
    pub neuron: usize,
    /// All that it received, in thresholds.
    pub received: f64,
    /// By how much rounding errors can change that.
    pub error: f64,
    /// What it has: a count, or the potential of a read-out.
    pub found: f64,
    /// What it should have.
    pub wanted: f64,
}

/// The power of two that all of some numbers are multiples of.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Lattice(i32);

impl Lattice {
    /// Of no numbers.
    const ANY: Self = Self(i32::MAX);

    fn with(self, number: f32) -> Self {
        if number == 0.0 {
            return self;
        }
        let bits = number.to_bits();
        let exponent = (bits >> 23 & 0xFF).cast_signed();
        let fraction = bits & 0x7F_FFFF;
        // A subnormal number has no leading one.
        let mantissa = if exponent == 0 { fraction } else { fraction | 0x80_0000 };
        let unit = exponent.max(1) - 150 + mantissa.trailing_zeros().cast_signed();
        Self(self.0.min(unit))
    }

    /// Whether sums up to `most` in magnitude are exact in single precision.
    fn is_exact_to(self, most: f64) -> bool {
        self == Self::ANY || most <= 2.0_f64.powi(24 + self.0.min(900))
    }
}

/// The quantised network of a spiking one.
pub struct Quantised<'a> {
    network: &'a Network,
    /// Of every neuron what its weights, bias, start and threshold are multiples of.
    lattices: Vec<Vec<Lattice>>,
}

impl<'a> Quantised<'a> {
    /// The quantised network that a network comes to rest at when input and biases arrive once. Cost: one pass over the
    /// synapses.
    ///
    /// # Errors
    /// If it has neurons of other kinds, or a population that is behind itself.
    pub fn of(network: &'a Network) -> Result<Self, Unsettled> {
        for id in network.ids() {
            let population = network.population(id);
            let unsettled = |reason: String| Err(Unsettled { population: population.name().into(), reason });
            let neuron = population.neuron();
            if let Some(model) = neuron.model() {
                let settles = match (neuron.as_model::<Bipolar>(), neuron.as_model::<Accumulator>()) {
                    (Some(bipolar), _) => bipolar.sign == Sign::Signed,
                    (None, accumulator) => accumulator.is_some(),
                };
                if !settles {
                    let kind = model.description().name;
                    return unsettled(format!("has {kind} neurons that do not take back what they gave"));
                }
            }
            if is_behind_itself(network, id) {
                return unsettled("is behind itself".into());
            }
        }
        let mut lattices: Vec<Vec<Lattice>> = network
            .populations()
            .iter()
            .map(|population| {
                let model = population.neuron().model();
                let parameters: Vec<&PerNeuron> = ["bias", "threshold", "start"]
                    .into_iter()
                    .filter_map(|name| model.and_then(|model| model.parameter(name)))
                    .collect();
                let of_neuron = |neuron| {
                    parameters.iter().fold(Lattice::ANY, |lattice, values| lattice.with(values.get(neuron)))
                };
                (0..population.size()).map(of_neuron).collect()
            })
            .collect();
        for projection in network.projections() {
            let targets = &mut lattices[projection.target().index()];
            each_synapse(projection.connectivity(), |_, target, weight| {
                targets[target] = targets[target].with(weight);
            });
        }
        Ok(Self { network, lattices })
    }

    /// Compares what every neuron emitted until the network was at rest, and the potentials of those that never fire
    /// (`potentials(population)`, in the engine's order), with the quantised network of `drive`; population by population, in order
    /// of declaration. Cost: one pass over the synapses of the neurons that fired.
    #[must_use]
    pub fn judge(
        &self,
        drive: &Drive,
        emitted: &Emitted,
        potentials: impl Fn(PopulationId) -> Vec<f32>,
    ) -> Vec<Rest> {
        self.network.ids().map(|id| self.judge_population(id, drive, emitted, &potentials)).collect()
    }

    fn judge_population(
        &self,
        id: PopulationId,
        drive: &Drive,
        emitted: &Emitted,
        potentials: &impl Fn(PopulationId) -> Vec<f32>,
    ) -> Rest {
        let population = self.network.population(id);
        let size = population.size();
        let neuron = population.neuron();
        let Some(bias) = neuron.bias() else {
            return match neuron {
                Neuron::Source => Rest::default(),
                _ => self.judge_maxima(id, emitted),
            };
        };
        let currents = drive.of(id);
        let mut sums: Vec<Sum> = (0..size)
            .map(|neuron| {
                let mut sum = Sum { lattice: self.lattices[id.index()][neuron], ..Sum::default() };
                sum.add(f64::from(bias.get(neuron)), 1);
                if let Some(currents) = currents {
                    sum.lattice = sum.lattice.with(currents[neuron]);
                    sum.add(f64::from(currents[neuron]), 1);
                }
                sum
            })
            .collect();
        for projection in self.network.incoming(id) {
            let source = projection.source().index();
            let (counts, magnitudes) = (&emitted.counts[source], &emitted.magnitudes[source]);
            for (from, &events) in
                emitted.events[source].iter().enumerate().filter(|(_, events)| **events > 0)
            {
                projection.connectivity().fan_out(from, |target, weight| {
                    let weight = f64::from(weight);
                    // Counts and magnitudes are far below 2^53.
                    sums[target].sum += weight * counts[from] as f64;
                    sums[target].magnitude += weight.abs() * magnitudes[from] as f64;
                    sums[target].additions += u64::from(events);
                });
            }
        }
        let mut rest = Rest::default();
        if let Some(bipolar) = neuron.as_model::<Bipolar>() {
            for (neuron, mut sum) in sums.into_iter().enumerate() {
                let theta = f64::from(bipolar.threshold.get(neuron));
                let given = emitted.magnitudes[id.index()][neuron] as f64 * theta;
                sum.add(f64::from(bipolar.start.get(neuron)), 1);
                sum.magnitude += given;
                sum.additions += u64::from(emitted.events[id.index()][neuron]);
                let (low, high) = (f64::from(bipolar.low.get(neuron)), f64::from(bipolar.high.get(neuron)));
                let (received, error) = (sum.sum / theta, sum.error() / theta);
                let count = |received: f64| received.floor().clamp(low, high);
                let wanted = count(received);
                let beside = [count(received - error), count(received + error)];
                let near = beside[0] != beside[1];
                let found = emitted.counts[id.index()][neuron] as f64;
                rest.near += usize::from(near);
                if found != wanted {
                    if beside.contains(&found) {
                        rest.ties += 1;
                    } else if rest.wrong.is_none() {
                        rest.wrong = Some(Wrong { neuron, received, error, found, wanted });
                    }
                }
            }
        } else {
            for (neuron, (sum, found)) in sums.iter().zip(potentials(id)).enumerate() {
                let (received, error, found) = (sum.sum, sum.error(), f64::from(found));
                if (found - received).abs() > error && rest.wrong.is_none() {
                    rest.wrong = Some(Wrong { neuron, received, error, found, wanted: received });
                }
            }
        }
        rest
    }

    /// Maxima of counts have no rounding errors.
    fn judge_maxima(&self, id: PopulationId, emitted: &Emitted) -> Rest {
        let mut largest: Vec<Option<i64>> = vec![None; self.network.population(id).size()];
        for projection in self.network.incoming(id) {
            let counts = &emitted.counts[projection.source().index()];
            each_synapse(projection.connectivity(), |from, target, _| {
                largest[target] = largest[target].max(Some(counts[from]));
            });
        }
        let found = emitted.counts[id.index()].iter().zip(&largest).enumerate();
        let wrong = found.into_iter().find_map(|(neuron, (&found, largest))| {
            let wanted = largest.unwrap_or(0);
            let wrong = || {
                let (found, wanted) = (found as f64, wanted as f64);
                Wrong { neuron, received: wanted, error: 0.0, found, wanted }
            };
            (found != wanted).then(wrong)
        });
        Rest { wrong, ..Rest::default() }
    }
}

/// What a neuron received, exactly, and what bounds the rounding errors of adding it one by one.
#[derive(Clone, Copy, Debug)]
struct Sum {
    sum: f64,
    /// The sum of the magnitudes of all that was added.
    magnitude: f64,
    additions: u64,
    lattice: Lattice,
}

impl Default for Sum {
    fn default() -> Self {
        Self { sum: 0.0, magnitude: 0.0, additions: 0, lattice: Lattice::ANY }
    }
}

impl Sum {
    fn add(&mut self, number: f64, additions: u64) {
        self.sum += number;
        self.magnitude += number.abs();
        self.additions += additions;
    }

    /// A bound of the rounding errors: no partial sum is above the sum of magnitudes, and each product, addition and the
    /// division is off by at most 2⁻²⁴ of it (Higham 2002, "Accuracy and stability of numerical algorithms", section 4.2).
    fn error(&self) -> f64 {
        if self.lattice.is_exact_to(self.magnitude) {
            return 0.0;
        }
        // Additions are far below 2^53.
        (2.0 * self.additions as f64 + 4.0) * self.magnitude * 2.0_f64.powi(-24)
    }
}

fn each_synapse(connectivity: &Connectivity, mut each: impl FnMut(usize, usize, f32)) {
    for source in 0..connectivity.sources() {
        connectivity.fan_out(source, |target, weight| each(source, target, weight));
    }
}

/// Whether the spikes of a population come back to it.
fn is_behind_itself(network: &Network, population: PopulationId) -> bool {
    let mut seen = vec![false; network.populations().len()];
    let mut waiting = vec![population];
    while let Some(from) = waiting.pop() {
        for projection in network.projections().iter().filter(|projection| projection.source() == from) {
            if projection.target() == population {
                return true;
            }
            if !std::mem::replace(&mut seen[projection.target().index()], true) {
                waiting.push(projection.target());
            }
        }
    }
    false
}
