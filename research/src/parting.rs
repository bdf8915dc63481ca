//! Where two runs part.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;
use snn_engine::{
    AnySimulator, Input, Network, NetworkError, PopulationId, Simulator, SpikeSlice, run_samples,
};
use snn_formats::{Spike, SpikeFile};

/// The first place at which two runs are not the same, by sample, step, population in order of declaration, and neuron.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Parting {
    /// The sample, from 0.
    pub sample: usize,
    /// The step, from 0.
    pub step: u64,
    /// The population's name.
    pub population: String,
    /// The neuron, in the user's order.
    pub neuron: usize,
    /// The value of its spike in that step in either run; 0 where it was silent.
    pub spikes: [i32; 2],
    /// Its potentials after the step in either run, where both are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub potentials: Option<[f32; 2]>,
}

/// Why two runs cannot be compared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PartingError {
    /// They have other populations.
    #[error("{what}: {} in the first, {} in the second; only runs of the same populations can be compared", found[0], found[1])]
    Populations {
        /// What differs.
        what: String,
        /// What either has.
        found: [String; 2],
    },
    /// They have other numbers of samples.
    #[error("the first has {} samples, the second {}; allowed are equally many", found[0], found[1])]
    Samples {
        /// Their numbers.
        found: [usize; 2],
    },
    /// A sample does not fit a network.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// A network with its input, to be run.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The simulator.
    pub simulator: &'a AnySimulator,
    /// What drives it.
    pub input: &'a Input,
}

fn same_populations(first: &[(String, usize)], second: &[(String, usize)]) -> Result<(), PartingError> {
    let names = |of: &[(String, usize)]| of.iter().map(|(name, _)| &name[..]).collect::<Vec<_>>().join(", ");
    if first.iter().map(|(name, _)| name).ne(second.iter().map(|(name, _)| name)) {
        return Err(PartingError::Populations {
            what: "populations".into(),
            found: [names(first), names(second)],
        });
    }
    match first.iter().zip(second).find(|(one, other)| one.1 != other.1) {
        None => Ok(()),
        Some((one, other)) => Err(PartingError::Populations {
            what: format!("neurons of `{}`", one.0),
            found: [one.1.to_string(), other.1.to_string()],
        }),
    }
}

fn populations(network: &Network) -> Vec<(String, usize)> {
    network.populations().iter().map(|population| (population.name().to_owned(), population.size())).collect()
}

/// Runs two networks side by side, step by step, and finds where spikes or potentials (by bits) first part: in the first sample
/// in which they do. Potentials are compared after every step.
///
/// # Errors
/// If the networks have other populations, or a sample does not fit one.
pub fn part_networks(
    sides: [Side<'_>; 2],
    samples: Range<usize>,
    steps: u32,
    threads: usize,
) -> Result<Option<Parting>, PartingError> {
    let networks = sides.map(|side| Arc::clone(side.simulator.clone().get().network()));
    same_populations(&populations(&networks[0]), &populations(&networks[1]))?;
    let simulators = sides.map(|side| side.simulator.clone());
    // Portions, so that not all is run behind the first difference.
    let portion = 4 * threads.max(1);
    for first in samples.clone().step_by(portion) {
        let range = first..samples.end.min(first + portion);
        let found = run_samples(range, threads, &simulators, |[one, other], sample| {
            let run = Pair { networks: &networks, sample };
            let inputs = [
                sides[0].input.sample(&networks[0], sample, steps)?,
                sides[1].input.sample(&networks[1], sample, steps)?,
            ];
            one.get().start(&inputs[0].drive);
            other.get().start(&inputs[1].drive);
            for step in 0..steps as usize {
                let stimuli =
                    [inputs[0].stimulus(&networks[0], step)?, inputs[1].stimulus(&networks[1], step)?];
                let spikes = [run.step(0, one.get(), &stimuli[0]), run.step(1, other.get(), &stimuli[1])];
                if let Some(parting) = run.parting(step as u64, &spikes, [one.get(), other.get()]) {
                    return Ok(Some(parting));
                }
            }
            Ok::<_, NetworkError>(None)
        })?;
        if let Some(parting) = found.into_iter().flatten().next() {
            return Ok(Some(parting));
        }
    }
    Ok(None)
}

struct Pair<'a> {
    networks: &'a [Arc<Network>; 2],
    sample: usize,
}

impl Pair<'_> {
    fn step(&self, side: usize, simulator: &mut dyn Simulator, stimulus: &snn_engine::Stimulus) -> Fired {
        let network = &self.networks[side];
        let spikes = simulator.step(stimulus);
        network.ids().map(|id| in_user_order(network, id, spikes.with_values(id))).collect()
    }

    fn parting(
        &self,
        step: u64,
        spikes: &[Fired; 2],
        simulators: [&mut dyn Simulator; 2],
    ) -> Option<Parting> {
        let [one, other] = simulators;
        for id in self.networks[0].ids() {
            let [first, second] = spikes.each_ref().map(|fired| &fired[id.index()]);
            let potentials = [one.potentials(id), other.potentials(id)];
            let layouts = self.networks.each_ref().map(|network| network.population(id).layout());
            let potential = |side: usize, neuron: usize| -> Option<f32> {
                potentials[side].get(layouts[side].neuron_at(neuron)).copied()
            };
            let pair = |neuron: usize| {
                potential(0, neuron).zip(potential(1, neuron)).map(|(one, other)| [one, other])
            };
            let part = |neuron: &usize| {
                value(first, *neuron) != value(second, *neuron)
                    || pair(*neuron).is_some_and(|[one, other]| one.to_bits() != other.to_bits())
            };
            let Some(neuron) = (0..self.networks[0].population(id).size()).find(part) else { continue };
            return Some(Parting {
                sample: self.sample,
                step,
                population: self.networks[0].population(id).name().to_owned(),
                neuron,
                spikes: [value(first, neuron), value(second, neuron)],
                potentials: pair(neuron),
            });
        }
        None
    }
}

/// By population, neuron in the user's order and value, ascending.
type Fired = Vec<Vec<(usize, i32)>>;

fn in_user_order(network: &Network, id: PopulationId, spikes: SpikeSlice<'_>) -> Vec<(usize, i32)> {
    let layout = network.population(id).layout();
    let mut fired: Vec<(usize, i32)> =
        spikes.iter().map(|(neuron, value)| (layout.user_index(neuron as usize), value)).collect();
    fired.sort_unstable();
    fired
}

/// The value of a neuron's spike, 0 if it is silent.
fn value(fired: &[(usize, i32)], neuron: usize) -> i32 {
    fired.binary_search_by_key(&neuron, |&(neuron, _)| neuron).map_or(0, |at| fired[at].1)
}

/// Finds where the spikes of two files first part. Populations are taken by name.
///
/// # Errors
/// If they have other populations or numbers of samples.
pub fn part_spikes(first: &SpikeFile, second: &SpikeFile) -> Result<Option<Parting>, PartingError> {
    let names = |file: &SpikeFile| -> Vec<String> {
        let mut names: Vec<String> = file.populations.iter().map(|trains| trains.name.clone()).collect();
        names.sort();
        names
    };
    let (one, other) = (names(first), names(second));
    if one != other {
        return Err(PartingError::Populations {
            what: "populations".into(),
            found: [one.join(", "), other.join(", ")],
        });
    }
    let by_name: BTreeMap<&str, _> =
        second.populations.iter().map(|trains| (&trains.name[..], trains)).collect();
    let pairs: Vec<_> = first.populations.iter().map(|trains| (trains, by_name[&trains.name[..]])).collect();
    if let Some((one, other)) = pairs.iter().find(|(one, other)| one.samples() != other.samples()) {
        return Err(PartingError::Samples { found: [one.samples(), other.samples()] });
    }
    let samples = pairs.first().map_or(0, |(one, _)| one.samples());
    for sample in 0..samples {
        let partings = pairs.iter().enumerate().filter_map(|(place, (one, other))| {
            let (step, neuron, spikes) = first_difference(one.sample(sample), other.sample(sample))?;
            Some((step, place, neuron, spikes))
        });
        if let Some((step, place, neuron, spikes)) = partings.min() {
            let population = pairs[place].0.name.clone();
            return Ok(Some(Parting {
                sample,
                step,
                population,
                neuron: neuron as usize,
                spikes,
                potentials: None,
            }));
        }
    }
    Ok(None)
}

/// The first step and neuron at which two ascending trains differ, with the values there.
fn first_difference(
    mut one: impl Iterator<Item = Spike>,
    mut other: impl Iterator<Item = Spike>,
) -> Option<(u64, u32, [i32; 2])> {
    loop {
        let (a, b) = (one.next(), other.next());
        if a == b {
            a?;
            continue;
        }
        let at = |spike: Spike| (spike.step, spike.neuron);
        let first = [a, b].into_iter().flatten().map(at).min()?;
        let value =
            |spike: Option<Spike>| spike.filter(|&spike| at(spike) == first).map_or(0, |spike| spike.value);
        return Some((first.0, first.1, [value(a), value(b)]));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn train(spikes: &BTreeMap<(u64, u32), i32>) -> impl Iterator<Item = Spike> {
        spikes.iter().map(|(&(step, neuron), &value)| Spike { step, neuron, value })
    }

    proptest! {
        #[test]
        fn trains_part_at_the_smallest_place_at_which_they_are_not_the_same(
            one in prop::collection::btree_map((0..4_u64, 0..4_u32), 1..3_i32, 0..8),
            other in prop::collection::btree_map((0..4_u64, 0..4_u32), 1..3_i32, 0..8),
        ) {
            let at = |spikes: &BTreeMap<(u64, u32), i32>, place| spikes.get(&place).copied().unwrap_or(0);
            let places = (0..4_u64).flat_map(|step| (0..4_u32).map(move |neuron| (step, neuron)));
            let mut differing = places.filter(|&place| at(&one, place) != at(&other, place));
            let wanted = differing.next().map(|place| (place.0, place.1, [at(&one, place), at(&other, place)]));
            prop_assert_eq!(first_difference(train(&one), train(&other)), wanted);
        }
    }
}
