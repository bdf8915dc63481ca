//! Networks built by hand. The package's `NetworkBuilder` takes weights in any form and calls this one.

use std::collections::BTreeMap;

use numpy::{PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use snn_engine::{
    BuiltIn, Connectivity, Conv2d, ConvolutionShape, Layout, MaxPool, NetworkError, Neuron, OneToOne,
    PerNeuron, PopulationId,
};
use snn_formats::Description;

use crate::error;
use crate::network::Network;

/// Populations and projections that are to become a network. Weights are targets by sources.
#[pyclass(module = "snn_event._snn_event")]
pub struct Parts {
    builder: snn_engine::NetworkBuilder,
    populations: Vec<(String, Layout)>,
}

/// A number for a size, named in errors.
fn size(what: &str, value: u64) -> PyResult<u32> {
    u32::try_from(value).map_err(|_| {
        error::RaisedNetworkError::new_err(format!("{what} is {value}; allowed are sizes below 2^32"))
    })
}

fn sizes<const N: usize>(what: &str, values: [u64; N]) -> PyResult<[u32; N]> {
    let mut found = [0; N];
    for (found, value) in found.iter_mut().zip(values) {
        *found = size(what, value)?;
    }
    Ok(found)
}

/// One value for all neurons, or one for each in the user's order.
fn per_neuron(
    layout: Layout,
    what: &str,
    values: &PyReadonlyArrayDyn<'_, f32>,
) -> Result<PerNeuron, NetworkError> {
    let values = crate::array::copied(values);
    let neurons = layout.neurons().unwrap_or(u32::MAX) as usize;
    let in_own_order = match values.len() {
        1 => values,
        len if len == neurons => (0..len).map(|neuron| values[layout.user_index(neuron)]).collect(),
        len => {
            return Err(NetworkError::new(
                what,
                format!("has {len} values; allowed are 1 and {neurons}, one for each neuron"),
            ));
        }
    };
    PerNeuron::repeating(in_own_order.into()).map_err(|error| error.within(what))
}

impl Parts {
    fn find(&self, name: &str) -> PyResult<(PopulationId, Layout)> {
        let place = self.populations.iter().position(|(other, _)| other == name).ok_or_else(|| {
            let names: Vec<&str> = self.populations.iter().map(|(name, _)| name.as_str()).collect();
            error::RaisedNetworkError::new_err(format!(
                "there is no population `{name}`; there are {names:?}"
            ))
        })?;
        Ok((self.builder.id(place).map_err(error::network)?, self.populations[place].1))
    }

    fn project(
        &mut self,
        [source, target]: [&str; 2],
        delay: u64,
        connectivity: impl FnOnce(Layout, Layout) -> Result<Connectivity, NetworkError>,
    ) -> PyResult<()> {
        let ((from, before), (to, behind)) = (self.find(source)?, self.find(target)?);
        let delay = size("delay", delay)?;
        let at = format!("projection `{source}` -> `{target}`");
        let connectivity =
            connectivity(before, behind).map_err(|reason| error::network(reason.within(at)))?;
        self.builder.projection(from, to, delay, connectivity);
        Ok(())
    }
}

#[pymethods]
impl Parts {
    #[new]
    fn new() -> Self {
        Self { builder: snn_engine::NetworkBuilder::new(), populations: vec![] }
    }

    /// Declares a population of shape `(n,)` or `(channels, height, width)`.
    fn population(
        &mut self,
        name: String,
        shape: Vec<u64>,
        model: &str,
        parameters: BTreeMap<String, PyReadonlyArrayDyn<'_, f32>>,
        choices: BTreeMap<String, String>,
    ) -> PyResult<()> {
        let layout = match shape[..] {
            [n] => Layout::Flat(size("shape", n)?),
            [channels, height, width] => {
                let [channels, height, width] = sizes("shape", [channels, height, width])?;
                Layout::Image { channels, height, width }
            }
            _ => {
                return Err(error::argument(
                    "shape",
                    &format!("{shape:?}"),
                    "a number of neurons, and (channels, height, width)",
                ));
            }
        };
        if self.populations.iter().any(|(other, _)| *other == name) {
            return Err(error::RaisedNetworkError::new_err(format!("population `{name}` is declared twice")));
        }
        let refused = |reason: NetworkError| error::network(reason.within(format!("population `{name}`")));
        let neuron = match model {
            "source" | "max-pool" => {
                if let Some(given) = parameters.keys().chain(choices.keys()).next() {
                    return Err(refused(NetworkError::new(
                        format!("the kind `{model}`"),
                        format!("has no parameter `{given}`; it has none at all"),
                    )));
                }
                if model == "source" { Neuron::Source } else { Neuron::MaxPool(MaxPool) }
            }
            _ => {
                let values = parameters
                    .iter()
                    .map(|(name, values)| Ok((name.as_str(), per_neuron(layout, name, values)?)));
                let values: Vec<(&str, PerNeuron)> = values.collect::<Result<_, _>>().map_err(refused)?;
                let choices = choices.iter().map(|(choice, option)| (choice.as_str(), option.as_str()));
                let model = BuiltIn::find(model).map_err(|reason| {
                    refused(NetworkError::new(
                        reason.at(),
                        format!("{}, \"source\" and \"max-pool\"", reason.what()),
                    ))
                })?;
                model.named(values, choices).map_err(refused)?
            }
        };
        self.builder.population(&name, layout, neuron);
        self.populations.push((name, layout));
        Ok(())
    }

    /// A weight for every pair of neurons, `(n_post, n_pre)`.
    fn dense(
        &mut self,
        source: &str,
        target: &str,
        delay: u64,
        weights: PyReadonlyArrayDyn<'_, f32>,
    ) -> PyResult<()> {
        let shape = weights.shape().to_vec();
        let weights = crate::array::copied(&weights);
        self.project([source, target], delay, |from, to| {
            let wanted = [to, from].map(|layout| layout.neurons().unwrap_or(u32::MAX) as usize);
            if shape != wanted {
                return Err(NetworkError::new(
                    "weights",
                    format!("have the shape {shape:?}; allowed is {wanted:?}, targets by sources"),
                ));
            }
            Connectivity::from_matrix(from, to, &weights)
        })
    }

    /// Synapses from `pre` to `post`.
    fn synapses(
        &mut self,
        source: &str,
        target: &str,
        delay: u64,
        pre: PyReadonlyArrayDyn<'_, i64>,
        post: PyReadonlyArrayDyn<'_, i64>,
        weights: PyReadonlyArrayDyn<'_, f32>,
    ) -> PyResult<()> {
        let (pre, post, weights) =
            (crate::array::copied(&pre), crate::array::copied(&post), crate::array::copied(&weights));
        if pre.len() != post.len() || pre.len() != weights.len() {
            return Err(error::RaisedNetworkError::new_err(format!(
                "projection `{source}` -> `{target}` has {} sources, {} targets and {} weights; allowed are equal numbers",
                pre.len(),
                post.len(),
                weights.len()
            )));
        }
        // One that is negative is out of range, and named so.
        let place = |neuron: i64| usize::try_from(neuron).unwrap_or(usize::MAX);
        let all = pre.into_iter().zip(post).zip(weights);
        let synapses = all.map(|((pre, post), weight)| (place(pre), place(post), weight));
        self.project([source, target], delay, |from, to| Connectivity::from_synapses(from, to, synapses))
    }

    /// From neuron i to neuron i: one weight for all, or one for each.
    fn one_to_one(
        &mut self,
        source: &str,
        target: &str,
        delay: u64,
        weights: PyReadonlyArrayDyn<'_, f32>,
    ) -> PyResult<()> {
        self.project([source, target], delay, |from, _| {
            let neurons = from.neurons().unwrap_or(u32::MAX) as usize;
            Ok(Connectivity::OneToOne(OneToOne::new(neurons, per_neuron(from, "weights", &weights)?)?))
        })
    }

    /// A convolution of kernels `(out, in / groups, down, across)`.
    #[allow(clippy::too_many_arguments, reason = "keyword arguments")]
    fn convolution(
        &mut self,
        source: &str,
        target: &str,
        delay: u64,
        kernels: PyReadonlyArrayDyn<'_, f32>,
        stride: [u64; 2],
        padding: [u64; 2],
        dilation: [u64; 2],
        groups: u64,
    ) -> PyResult<()> {
        let [out, seen, down, across] = *kernels.shape() else {
            return Err(error::argument(
                "the shape of kernels",
                &format!("{:?}", kernels.shape()),
                "(channels out, channels in / groups, down, across)",
            ));
        };
        let shape = ConvolutionShape {
            kernels: sizes("kernels", [out as u64, seen as u64, down as u64, across as u64])?,
            stride: sizes("stride", stride)?,
            dilation: sizes("dilation", dilation)?,
            padding: sizes("padding", padding)?,
            groups: size("groups", groups)?,
        };
        let weights = crate::array::copied(&kernels);
        self.project([source, target], delay, |from, to| {
            Ok(Connectivity::Conv2d(Conv2d::from_kernels(from, to, shape, &weights)?))
        })
    }

    /// The shape of a population.
    fn shape(&self, name: &str) -> PyResult<Vec<usize>> {
        Ok(self.find(name)?.1.shape())
    }

    /// Checks everything and makes the network; more can be declared afterwards for another.
    fn build(&self) -> PyResult<Network> {
        let network = self.builder.clone().build().map_err(error::network)?;
        Ok(Network::new(network, Description::default(), vec![]))
    }
}
