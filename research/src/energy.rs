use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use snn_engine::Network;

use crate::costs::{PopulationCosts, TrainedOperations};

/// Energies of operations with where they are from.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Preset {
    /// The publication, technology and what is counted.
    pub source: String,
    /// A multiplication with its addition, pJ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiply_add: Option<f64>,
    /// An addition, pJ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addition: Option<f64>,
    /// Energies of memory accesses by the size of the memory: (bytes, pJ), ascending. Between and beyond the points it follows
    /// straight lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Vec<(f64, f64)>>,
    /// A neuron that is looked at in a step, pJ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soma_access: Option<f64>,
    /// A potential that is touched in a step, pJ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soma_update: Option<f64>,
    /// A spike that is made, pJ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spike_out: Option<f64>,
    /// A weight delivered through a table of every weight, pJ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synapse_dense: Option<f64>,
    /// A weight delivered through a list of weights, pJ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synapse_sparse: Option<f64>,
    /// A weight delivered through a kernel that positions share, pJ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synapse_convolution: Option<f64>,
    /// A spike sent over one projection, pJ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<f64>,
}

/// Why a text holds no presets.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EnergyError {
    /// It is not TOML of the right kind.
    #[error("it holds no energy presets: {0}")]
    Toml(String),
    /// An energy is no energy.
    #[error("preset `{preset}`: {entry} is {value}; allowed are numbers from 0 on")]
    Value {
        /// The preset.
        preset: String,
        /// The entry.
        entry: String,
        /// What it is.
        value: f64,
    },
    /// The sizes of memories do not ascend.
    #[error(
        "preset `{0}`: memory has fewer than two points, or their sizes do not ascend; give [[bytes, pJ], …]"
    )]
    Memory(String),
    /// There is no preset of this name.
    #[error("there is no energy preset `{preset}`; allowed are {allowed}")]
    Unknown {
        /// The name.
        preset: String,
        /// The names that there are.
        allowed: String,
    },
}

/// The energy of a run under one preset, for one sample.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Energy {
    /// The preset's name.
    pub preset: String,
    /// Where its numbers are from.
    pub source: String,
    /// Its sum, nanojoules.
    pub nanojoules: f64,
    /// What the sum consists of.
    pub terms: Vec<Term>,
}

/// One kind of operation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Term {
    /// Its name.
    pub operation: &'static str,
    /// How many, a mean over samples.
    pub count: f64,
    /// The energy of one in picojoules; a mean where it depends on the memory.
    pub picojoules: f64,
}

/// What else could be computed for the same answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rival {
    /// What it is.
    pub name: String,
    /// Its multiply-adds.
    pub multiply_adds: u64,
    /// The energy of one, picojoules.
    pub picojoules: f64,
    /// Of all of them, nanojoules: arithmetic only.
    pub nanojoules: f64,
    /// The mean share of neurons that may fire in a step for the spiking network, its arithmetic alone, to need as much; `None`
    /// where its constant currents alone need more, or where nothing fired.
    pub crossover_rate: Option<f64>,
}

/// The presets that come with the program, or those of a text in the same form.
///
/// # Errors
/// If the text is no such TOML, or an energy is negative or no number.
pub fn presets(own: Option<&str>) -> Result<BTreeMap<String, Preset>, EnergyError> {
    let text = own.unwrap_or(include_str!("energy.toml"));
    let presets: BTreeMap<String, Preset> =
        toml::from_str(text).map_err(|error| EnergyError::Toml(error.to_string()))?;
    for (name, preset) in &presets {
        for (entry, value) in preset.entries() {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(EnergyError::Value { preset: name.clone(), entry: entry.to_owned(), value });
            }
        }
        if let Some(points) = &preset.memory
            && (points.len() < 2 || points.windows(2).any(|pair| pair[0].0 >= pair[1].0))
        {
            return Err(EnergyError::Memory(name.clone()));
        }
    }
    Ok(presets)
}

/// The presets of these names, of those that come with the program and of `own`, a text in the same form. If none is named, all
/// of `own`, else the arithmetic of 32-bit numbers (Horowitz 2014).
///
/// # Errors
/// If there is no preset of a name, or the text holds none.
pub fn chosen_presets(names: &[String], own: Option<&str>) -> Result<Vec<(String, Preset)>, EnergyError> {
    let mut known = presets(None)?;
    let mut usual = vec!["horowitz-fp32".to_owned()];
    if let Some(own) = own {
        let own = presets(Some(own))?;
        usual = own.keys().cloned().collect();
        known.extend(own);
    }
    let names = if names.is_empty() { &usual[..] } else { names };
    let find = |name: &String| match known.get(name) {
        Some(preset) => Ok((name.clone(), preset.clone())),
        None => Err(EnergyError::Unknown {
            preset: name.clone(),
            allowed: known.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        }),
    };
    names.iter().map(find).collect()
}

impl Preset {
    fn entries(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let single = [
            ("multiply-add", self.multiply_add),
            ("addition", self.addition),
            ("soma-access", self.soma_access),
            ("soma-update", self.soma_update),
            ("spike-out", self.spike_out),
            ("synapse-dense", self.synapse_dense),
            ("synapse-sparse", self.synapse_sparse),
            ("synapse-convolution", self.synapse_convolution),
            ("message", self.message),
        ];
        let memory = self.memory.iter().flatten().flat_map(|&(bytes, energy)| [bytes, energy]);
        single
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .chain(memory.map(|value| ("memory", value)))
    }

    /// Picojoules of one access to a memory of so many bytes.
    fn access(&self, bytes: u64) -> Option<f64> {
        let points = self.memory.as_ref()?;
        let size = bytes as f64;
        let at = points.partition_point(|point| point.0 < size).clamp(1, points.len() - 1);
        let ((low, from), (high, to)) = (points[at - 1], points[at]);
        Some((from + (to - from) * (size - low) / (high - low)).max(0.0))
    }

    /// The energy of one sample of a run of so many steps.
    #[must_use]
    pub fn energy(&self, name: &str, network: &Network, costs: &[PopulationCosts], steps: u32) -> Energy {
        let sum = |of: &dyn Fn(&PopulationCosts) -> f64| costs.iter().map(of).sum::<f64>();
        let messages: f64 =
            network.projections().iter().map(|projection| costs[projection.source().index()].spikes).sum();
        let computing =
            network.ids().filter(|id| network.population(*id).neuron().has_potential()).map(|id| id.index());
        let neurons: f64 = computing.map(|at| costs[at].neurons as f64).sum();
        let single = [
            ("multiply-add", self.multiply_add, sum(&|costs| costs.multiply_adds)),
            ("addition", self.addition, sum(&|costs| costs.additions)),
            ("soma access", self.soma_access, neurons * f64::from(steps)),
            ("soma update", self.soma_update, sum(&|costs| costs.touched_potentials)),
            ("spike out", self.spike_out, sum(&|costs| costs.spikes)),
            ("dense synapse", self.synapse_dense, sum(&|costs| costs.delivered.dense)),
            ("sparse synapse", self.synapse_sparse, sum(&|costs| costs.delivered.sparse)),
            ("convolution synapse", self.synapse_convolution, sum(&|costs| costs.delivered.convolution)),
            ("message", self.message, messages),
        ];
        let mut terms: Vec<Term> = single
            .into_iter()
            .filter_map(|(operation, picojoules, count)| {
                Some(Term { operation, count, picojoules: picojoules? })
            })
            .collect();
        if self.memory.is_some() {
            for (operation, memory) in [("weight access", 0), ("potential access", 1)] {
                let count =
                    |costs: &PopulationCosts| [costs.weight_accesses, costs.potential_accesses][memory];
                let all = sum(&count);
                let energy = sum(&|costs| count(costs) * self.access(costs.memory[memory]).unwrap_or(0.0));
                let picojoules = if all > 0.0 { energy / all } else { 0.0 };
                terms.push(Term { operation, count: all, picojoules });
            }
        }
        let nanojoules = terms.iter().map(|term| term.count * term.picojoules).sum::<f64>() / 1e3;
        Energy { preset: name.to_owned(), source: self.source.clone(), nanojoules, terms }
    }
}

/// An 8-bit multiplication and addition at 45 nm, picojoules (Horowitz 2014, figure 1.1.9).
const MULTIPLY_INT8: f64 = 0.2;
const ADD_INT8: f64 = 0.03;

/// What the trained net needs for the same answer, arithmetic only: as it is and pruned under the same preset; dense with
/// 8-bit numbers; pruned with 8-bit weights and activations of ⌈log₂(T + 1)⌉ bits, which hold as many values as spikes in T steps
/// (Yan et al. 2024, arXiv:2409.08290, for whose accelerator the crossover is 5.7 % at T = 5); a multiplier's energy is taken
/// in proportion to its bits.
#[must_use]
pub fn rivals(
    preset: &Preset,
    network: &Network,
    costs: &[PopulationCosts],
    steps: u32,
    rate: f64,
) -> Vec<Rival> {
    let TrainedOperations { dense, pruned } = TrainedOperations::of(network);
    let bits = (u64::from(steps) + 1).next_power_of_two().trailing_zeros();
    let few = MULTIPLY_INT8 * f64::from(bits) / 8.0 + ADD_INT8;
    let mut rivals = vec![];
    if let Some(multiply_add) = preset.multiply_add {
        rivals.push(("dense, trained".to_owned(), dense, multiply_add));
        rivals.push(("pruned, trained".to_owned(), pruned, multiply_add));
    }
    rivals.push(("dense, int8".to_owned(), dense, MULTIPLY_INT8 + ADD_INT8));
    rivals.push((format!("pruned, int8 × {bits}-bit"), pruned, few));
    let of = |count: &dyn Fn(&PopulationCosts) -> f64, each: Option<f64>| {
        costs.iter().map(count).sum::<f64>() * each.unwrap_or(0.0) / 1e3
    };
    let graded = |costs: &PopulationCosts| costs.multiply_adds.min(costs.drive_operations);
    let once = of(&graded, preset.multiply_add);
    let spiking = of(&|costs| costs.multiply_adds, preset.multiply_add)
        + of(&|costs| costs.additions, preset.addition)
        - once;
    rivals
        .into_iter()
        .map(|(name, multiply_adds, picojoules)| {
            let nanojoules = multiply_adds as f64 * picojoules / 1e3;
            let crossover = rate * (nanojoules - once) / spiking;
            Rival {
                name,
                multiply_adds,
                picojoules,
                nanojoules,
                crossover_rate: (crossover.is_finite() && crossover >= 0.0).then_some(crossover),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presets_are_those_of_their_sources() {
        let presets = presets(None).unwrap();
        let of = |name: &str| (presets[name].multiply_add, presets[name].addition);
        assert_eq!(of("horowitz-fp32"), (Some(4.6), Some(0.9)));
        assert_eq!(of("horowitz-fp16"), (Some(1.5), Some(0.4)));
        assert_eq!(of("horowitz-int8"), (Some(0.23), Some(0.03)));
        assert_eq!(presets["loihi"].soma_access, Some(51.2));
        let memory = &presets["lemaire-2022"];
        assert_eq!(memory.access(8192), Some(10.0));
        assert_eq!(memory.access(20480), Some(15.0));
        assert_eq!(memory.access(1 << 20), Some(100.0));
    }

    #[test]
    fn own_presets_are_refused_by_name_where_they_are_wrong() {
        let refused = |text: &str| presets(Some(text)).unwrap_err().to_string();
        assert!(refused("[mine]\nsource = 'x'\naddition = -1").contains("`mine`: addition is -1"));
        assert!(refused("[mine]\nsource = 'x'\nmemory = [[8, 1.0]]").contains("memory"));
        assert!(refused("[mine]\naddition = 1").contains("source"));
        assert!(refused("[mine]\nsource = 'x'\nmultiply = 1").contains("multiply"));
        let mine = "[mine]\nsource = 'x'\naddition = 2";
        assert_eq!(presets(Some(mine)).unwrap()["mine"].addition, Some(2.0));
        let names = |names: &[&str], own| -> Vec<String> {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            chosen_presets(&names, own).unwrap().into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names(&[], None), ["horowitz-fp32"]);
        assert_eq!(names(&[], Some(mine)), ["mine"]);
        assert_eq!(names(&["loihi", "mine"], Some(mine)), ["loihi", "mine"]);
        let unknown = chosen_presets(&["sun".into()], None).unwrap_err().to_string();
        assert!(unknown.contains("`sun`") && unknown.contains("horowitz-fp32"), "{unknown}");
    }
}
