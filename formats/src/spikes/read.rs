use std::path::Path;

use super::SUFFIXES;
use crate::array::{Array, Values};
use crate::digest::Digest;
use crate::error::{FormatError, Origin};
use crate::npz::NpzReader;

/// A `spikes.npz` that was read.
#[derive(Clone, Debug)]
pub struct SpikeFile {
    /// The spikes of each population, in the order of the file.
    pub populations: Vec<SpikeTrains>,
    /// Of the file.
    pub digest: Digest,
}

/// The spikes of one population.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpikeTrains {
    /// Its name.
    pub name: String,
    neurons: Vec<u32>,
    steps: Vec<u32>,
    values: Option<Vec<i32>>,
    sample_ptr: Vec<usize>,
}

/// One spike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spike {
    /// The step in which it was emitted.
    pub step: u64,
    /// The neuron, in the user's order.
    pub neuron: u32,
    /// Its value.
    pub value: i32,
}

impl SpikeFile {
    /// Reads a `spikes.npz`.
    ///
    /// # Errors
    /// If it cannot be read, an array is missing or of another length than the others, samples do not ascend, or the spikes of a
    /// sample are not in order of step and neuron.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, FormatError> {
        let origin = Origin::file(path.as_ref());
        Self::of(NpzReader::open(path)?, &origin)
    }

    /// The spikes of the arrays of an archive.
    ///
    /// # Errors
    /// As of [`read`](Self::read), but for the reading itself.
    pub fn of(mut npz: NpzReader, origin: &Origin) -> Result<Self, FormatError> {
        let [node_ids, ..] = SUFFIXES;
        let names: Vec<String> = npz
            .names()
            .filter_map(|name| name.strip_suffix(".npy").unwrap_or(name).strip_suffix(node_ids))
            .map(str::to_owned)
            .collect();
        if names.is_empty() {
            return Err(origin.error(
                "it has no array `POPULATION.node_ids`, so it holds no spikes; runs that keep their spikes write such files",
            ));
        }
        let populations = names.into_iter().map(|name| SpikeTrains::read(&mut npz, name, origin));
        Ok(Self { populations: populations.collect::<Result<_, _>>()?, digest: npz.digest() })
    }
}

impl SpikeTrains {
    fn read(npz: &mut NpzReader, name: String, origin: &Origin) -> Result<Self, FormatError> {
        let [node_ids, timestamps, values, sample_ptr] = SUFFIXES.map(|suffix| format!("{name}{suffix}"));
        let neurons = whole(npz.read(&node_ids)?, &node_ids, origin)?;
        let steps = whole(npz.read(&timestamps)?, &timestamps, origin)?;
        let given = if npz.contains(&values) { Some(npz.read(&values)?) } else { None };
        let given = match given.map(|array| (array.values.dtype(), array.values)) {
            None => None,
            Some((_, Values::I32(values))) => Some(values),
            Some((dtype, _)) => {
                return Err(origin.error(format!("array `{values}` is of {dtype}; allowed is int32")));
            }
        };
        let ends: Vec<u64> = whole(npz.read(&sample_ptr)?, &sample_ptr, origin)?;
        let sample_ptr = ends
            .iter()
            .map(|&end| usize::try_from(end).ok())
            .collect::<Option<Vec<usize>>>()
            .filter(|ends| ends.first() == Some(&0) && ends.last() == Some(&neurons.len()))
            .filter(|ends| ends.windows(2).all(|pair| pair[0] <= pair[1]))
            .ok_or_else(|| {
                origin.error(format!(
                    "array `{sample_ptr}` does not ascend from 0 to the number of spikes, {}",
                    neurons.len()
                ))
            })?;
        if steps.len() != neurons.len() || given.as_ref().is_some_and(|values| values.len() != neurons.len())
        {
            return Err(origin.error(format!(
                "population `{name}`: {} neurons, {} steps and {} values; allowed are equally many",
                neurons.len(),
                steps.len(),
                given.as_ref().map_or(neurons.len(), Vec::len)
            )));
        }
        let narrow = |numbers: Vec<u64>, array: &str| -> Result<Vec<u32>, FormatError> {
            let number = |number: u64| {
                u32::try_from(number).map_err(|_| {
                    origin.error(format!(
                        "array `{array}`: {number} is too large; allowed are numbers below 2^32"
                    ))
                })
            };
            numbers.into_iter().map(number).collect()
        };
        let (neurons, steps) = (narrow(neurons, &node_ids)?, narrow(steps, &timestamps)?);
        let trains = Self { name, neurons, steps, values: given, sample_ptr };
        for sample in 0..trains.samples() {
            let mut before = None;
            for spike in trains.sample(sample) {
                let at = (spike.step, spike.neuron);
                if before.is_some_and(|before| before >= at) {
                    return Err(origin.error(format!(
                        "population `{}`, sample {sample}: the spike of neuron {} in step {} is out of order; allowed are spikes by \
                         step, within a step by neuron, each once",
                        trains.name, spike.neuron, spike.step
                    )));
                }
                before = Some(at);
            }
        }
        Ok(trains)
    }

    /// The number of samples.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.sample_ptr.len() - 1
    }

    /// The spikes of one sample, by step and neuron.
    ///
    /// # Panics
    /// If there is no such sample.
    pub fn sample(&self, sample: usize) -> impl Iterator<Item = Spike> + '_ {
        (self.sample_ptr[sample]..self.sample_ptr[sample + 1]).map(|at| Spike {
            step: self.steps[at].into(),
            neuron: self.neurons[at],
            value: self.values.as_ref().map_or(1, |values| values[at]),
        })
    }
}

/// Whole numbers from 0 on.
fn whole(array: Array, name: &str, origin: &Origin) -> Result<Vec<u64>, FormatError> {
    let dtype = array.values.dtype();
    match array.values {
        Values::U32(values) => Ok(values.into_iter().map(u64::from).collect()),
        Values::U64(values) => Ok(values),
        _ => Err(origin.error(format!("array `{name}` is of {}; allowed are uint32 and uint64", dtype))),
    }
}
