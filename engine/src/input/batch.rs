use super::drive::Drive;
use super::sample::Sample;
use crate::encode;
use crate::error::NetworkError;
use crate::network::{Layout, Network, PopulationId};
use crate::record::Raster;
use crate::spikes::{LARGEST_VALUE, SpikeSlice};

/// How values become a stimulus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A constant current in every step, `weights · x` ([`Drive::constant`]).
    Constant,
    /// The same currents once, in the first step, and the biases of all populations with them ([`Drive::once`]).
    Once,
    /// Random spikes, `x` their probability in a step ([`encode::bernoulli`]).
    Poisson {
        /// The seed of all random numbers.
        seed: u64,
    },
    /// Evenly spaced spikes, `x` their rate ([`encode::regular`]).
    Regular,
}

/// The input of a batch of samples for the one source of a network, checked as a whole.
#[derive(Clone, Debug)]
pub struct Input {
    source: PopulationId,
    width: usize,
    samples: usize,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Values(Vec<f32>, Encoding),
    /// `[samples][steps]` rows of bits, a bit for each neuron in the user's order, in whole words.
    Spikes(Vec<u64>, usize),
    /// Values of spikes `[samples][steps][width]`, 0 for none.
    Valued(Vec<i16>, usize),
}

/// The source of a network that has just one.
fn only_source(network: &Network) -> Result<PopulationId, NetworkError> {
    let sources: Vec<PopulationId> = network.sources().collect();
    match sources[..] {
        [source] => Ok(source),
        _ => Err(NetworkError::of_input(
            "network",
            format!(
                "has {} sources; a batch of samples needs a network with one, others are stepped",
                sources.len()
            ),
        )),
    }
}

impl Input {
    /// Values `[samples][neurons of the source]` in the user's order (images channels first).
    ///
    /// # Errors
    /// If the network has not exactly one source, the number of values is not a whole number of samples, or
    /// a value is not finite or, where it is a rate, outside [0, 1]; sample and place of the first are named.
    pub fn values(network: &Network, values: Vec<f32>, encoding: Encoding) -> Result<Self, NetworkError> {
        let source = only_source(network)?;
        let width = network.population(source).size();
        let samples = whole(values.len(), width, "values")?;
        let (allowed, what): (fn(f32) -> bool, _) = match encoding {
            Encoding::Constant | Encoding::Once => (|x| x.is_finite(), "finite numbers"),
            Encoding::Poisson { .. } | Encoding::Regular => (
                |x| (0.0..=1.0).contains(&x),
                "spike rates in [0, 1]; scale the input, or use constant-current encoding",
            ),
        };
        if let Some(place) = values.iter().position(|&x| !allowed(x)) {
            return Err(NetworkError::of_input(
                format!("input: sample {}, value [{}]", place / width, place % width),
                format!("is {}; allowed are {what}", values[place]),
            ));
        }
        Ok(Self { source, width, samples, kind: Kind::Values(values, encoding) })
    }

    /// Given spikes: flags `[samples][steps][neurons of the source]`, neurons in the user's order.
    ///
    /// # Errors
    /// If the network has not exactly one source, or the number of flags is not a whole number of samples.
    pub fn spikes(network: &Network, flags: Vec<bool>, steps: usize) -> Result<Self, NetworkError> {
        let source = only_source(network)?;
        let width = network.population(source).size();
        let samples = whole(flags.len(), width.saturating_mul(steps), "spike flags")?;
        Ok(Self { source, width, samples, kind: Kind::Spikes(encode::pack(width, &flags), steps) })
    }

    /// Given spikes as bits, as `numpy.packbits(flags, axis=-1)` makes them of flags `[samples][steps][neurons of the source]`:
    /// every row is filled up to whole bytes, the first neuron in the highest bit.
    ///
    /// # Errors
    /// If the network has not exactly one source, the number of bytes is not a whole number of samples, or a bit behind the
    /// last neuron is set.
    pub fn packed(network: &Network, bytes: &[u8], steps: usize) -> Result<Self, NetworkError> {
        let source = only_source(network)?;
        let width = network.population(source).size();
        let samples = whole(bytes.len(), width.div_ceil(8).saturating_mul(steps), "bytes of packed spikes")?;
        let words = encode::unpack(width, bytes).map_err(|(row, bit)| {
            NetworkError::of_input(
                format!("input: sample {}, step {}, bit {bit}", row / steps, row % steps),
                format!("is set; the population has {width} neurons, and what fills up the last byte is 0"),
            )
        })?;
        Ok(Self { source, width, samples, kind: Kind::Spikes(words, steps) })
    }

    /// Given spikes with values, such as the counts of an event camera: `[samples][steps][neurons of the source]`, neurons in
    /// the user's order, 0 where there is no spike.
    ///
    /// # Errors
    /// If the network has not exactly one source, the number of values is not a whole number of samples, or a value is
    /// larger than [`LARGEST_VALUE`] in magnitude.
    pub fn valued(network: &Network, values: Vec<i16>, steps: usize) -> Result<Self, NetworkError> {
        let source = only_source(network)?;
        let width = network.population(source).size();
        let samples = whole(values.len(), width.saturating_mul(steps), "values of spikes")?;
        if let Some(place) = values.iter().position(|&value| i32::from(value).abs() > LARGEST_VALUE) {
            return Err(NetworkError::new(
                format!("input: sample {}, value [{}]", place / width / steps, place % (width * steps)),
                format!("is {}; allowed are spikes of -{LARGEST_VALUE} to {LARGEST_VALUE}", values[place]),
            ));
        }
        Ok(Self { source, width, samples, kind: Kind::Valued(values, steps) })
    }

    /// The number of samples.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Whether samples are constant currents, in every step.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        matches!(self.kind, Kind::Values(_, Encoding::Constant))
    }

    /// Whether samples are currents that arrive once, and the biases with them.
    #[must_use]
    pub fn arrives_once(&self) -> bool {
        matches!(self.kind, Kind::Values(_, Encoding::Once))
    }

    /// Whether the values of a sample that is given as currents are all −1, 0 or 1, so that their product with a weight needs no
    /// multiplication; spikes are not looked at.
    ///
    /// # Panics
    /// If there is no such sample.
    #[must_use]
    pub fn is_ternary(&self, index: usize) -> bool {
        match &self.kind {
            Kind::Values(values, Encoding::Constant | Encoding::Once) => {
                values[index * self.width..][..self.width].iter().all(|x| [-1.0, 0.0, 1.0].contains(x))
            }
            _ => false,
        }
    }

    /// The number of steps for which there is input, if it is limited.
    #[must_use]
    pub fn steps(&self) -> Option<usize> {
        match self.kind {
            Kind::Values(..) => None,
            Kind::Spikes(_, steps) | Kind::Valued(_, steps) => Some(steps),
        }
    }

    /// One sample, ready to be run for `steps` steps.
    ///
    /// # Errors
    /// If constant currents do not fit the network ([`Drive::constant`]).
    ///
    /// # Panics
    /// If there is no such sample.
    pub fn sample(&self, network: &Network, index: usize, steps: u32) -> Result<Sample, NetworkError> {
        assert!(index < self.samples, "sample {index} of {}", self.samples);
        let layout = network.population(self.source).layout();
        let spikes = |raster| Sample { drive: Drive::none(), spikes: vec![(self.source, raster)] };
        let (values, encoding) = match &self.kind {
            Kind::Spikes(words, given) => {
                let each = self.width.div_ceil(64);
                let of_user = encode::of_rows(&words[index * given * each..][..given * each], each);
                return Ok(spikes(in_own_order(layout, of_user)));
            }
            Kind::Valued(values, given) => {
                let mut raster = Raster::new();
                for step in
                    values[index * given * self.width..][..given * self.width].chunks_exact(self.width)
                {
                    let value = |neuron: usize| i32::from(step[layout.user_index(neuron)]);
                    let fired = (0..self.width).filter(|&neuron| value(neuron) != 0);
                    // A neuron's id is below 2^32.
                    let (neurons, values): (Vec<u32>, Vec<i32>) =
                        fired.map(|neuron| (neuron as u32, value(neuron))).unzip();
                    raster.push(SpikeSlice::of(&neurons, &values));
                }
                return Ok(spikes(raster));
            }
            Kind::Values(values, encoding) => (&values[index * self.width..][..self.width], *encoding),
        };
        let x: Vec<f32> = (0..self.width).map(|neuron| values[layout.user_index(neuron)]).collect();
        Ok(match encoding {
            Encoding::Constant | Encoding::Once => {
                let drive = Drive::constant(network, self.source, &x);
                let drive = drive.map_err(|error| error.within(format!("sample {index}")))?;
                let drive = if encoding == Encoding::Once { drive.once() } else { drive };
                Sample { drive, spikes: vec![] }
            }
            Encoding::Poisson { seed } => spikes(encode::bernoulli(&x, steps, seed, index as u64)?),
            Encoding::Regular => spikes(encode::regular(&x, steps)?),
        })
    }
}

/// A raster of neurons in the user's order as one of a layout's own.
fn in_own_order(layout: Layout, raster: Raster) -> Raster {
    if let Layout::Flat(_) = layout {
        return raster;
    }
    let (starts, mut neurons) = raster.into_parts();
    // A neuron's id is below 2^32.
    neurons.iter_mut().for_each(|neuron| *neuron = layout.neuron_at(*neuron as usize) as u32);
    for ends in starts.windows(2) {
        neurons[ends[0]..ends[1]].sort_unstable();
    }
    Raster::from_parts(starts, neurons)
}

fn whole(len: usize, each: usize, what: &str) -> Result<usize, NetworkError> {
    if each == 0 || !len.is_multiple_of(each) {
        return Err(NetworkError::of_input(
            "input",
            format!("has {len} {what}, which is not a whole number of samples of {each}"),
        ));
    }
    Ok(len / each)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{NetworkBuilder, Neuron};

    #[test]
    fn flags_bits_and_values_of_an_image_are_the_same_spikes_in_the_networks_own_order() {
        let layout = Layout::Image { channels: 3, height: 5, width: 7 };
        let mut builder = NetworkBuilder::new();
        builder.population("image", layout, Neuron::Source);
        let network = builder.build().unwrap();
        let (n, steps, samples) = (105, 4, 3);
        let mut state = 7;
        let flags: Vec<bool> = (0..samples * steps * n)
            .map(|_| {
                state = encode::split_mix(state);
                state.is_multiple_of(5)
            })
            .collect();
        let bytes: Vec<u8> = flags
            .chunks_exact(n)
            .flat_map(|row| row.chunks(8))
            .map(|eight| (0..8).fold(0, |byte, at| byte << 1 | u8::from(eight.get(at) == Some(&true))))
            .collect();
        let values = flags.iter().map(|&flag| i16::from(flag)).collect();
        let of_flags = Input::spikes(&network, flags.clone(), steps).unwrap();
        let of_bits = Input::packed(&network, &bytes, steps).unwrap();
        let of_values = Input::valued(&network, values, steps).unwrap();
        for index in 0..samples {
            let sample = of_flags.sample(&network, index, steps as u32).unwrap();
            for step in 0..steps {
                let row = &flags[(index * steps + step) * n..][..n];
                let fired: Vec<u32> =
                    (0..n as u32).filter(|&neuron| row[layout.user_index(neuron as usize)]).collect();
                assert_eq!(sample.spikes[0].1.step(step), fired, "sample {index}, step {step}");
                let valued = of_values.sample(&network, index, steps as u32).unwrap();
                assert_eq!(valued.spikes[0].1.step(step), fired);
            }
            assert_eq!(of_bits.sample(&network, index, steps as u32).unwrap().spikes, sample.spikes);
        }
        let mut wrong = bytes;
        wrong[14 * steps + 13] |= 1;
        let error = Input::packed(&network, &wrong, steps).unwrap_err().to_string();
        assert!(error.contains("sample 1, step 0, bit 111") && error.contains("105 neurons"), "{error}");
    }
}
