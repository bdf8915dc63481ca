//! Networks built by hand.

use std::ffi::c_char;

use snn_engine::{
    BuiltIn, Connectivity, Conv2d, ConvolutionShape, DenseRows, Layout, MaxPool, NetworkBuilder, Neuron,
    OneToOne, PerNeuron, PopulationId, Rows, SparseRows,
};
use snn_formats::Description;

use crate::network::{SnnNetwork, SnnShape};
use crate::status::{Failure, Guarded, SnnStatus, array, call, changed, hand_over, put, take_back, text};

/// Collects populations and projections.
pub struct SnnBuilder(Guarded<Parts>);

#[derive(Debug, Default)]
struct Parts {
    builder: NetworkBuilder,
    layouts: Vec<Layout>,
}

/// A parameter of a model by its name: one value for all neurons, one for each, or a divisor of their number, repeated along
/// the neurons.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SnnParameter {
    /// Such as "threshold", "leak", "bias".
    pub name: *const c_char,
    /// The values.
    pub values: *const f32,
    /// How many.
    pub length: usize,
}

/// A choice of a model, such as "reset": "subtract".
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SnnChoice {
    /// The choice.
    pub name: *const c_char,
    /// The option taken.
    pub option: *const c_char,
}

/// A convolution: kernels [out][in / groups][down][across].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SnnConvolution {
    /// Channels of the target, channels of the source that each sees, taps down and across.
    pub kernels: [u32; 4],
    /// Steps down and across; 1 is usual.
    pub stride: [u32; 2],
    /// Distance of neighbouring taps; 1 is usual.
    pub dilation: [u32; 2],
    /// Empty positions around the source.
    pub padding: [u32; 2],
    /// Groups of channels that are not connected with each other; 1 is usual.
    pub groups: u32,
}

/// A new builder. Free it with snn_builder_free().
#[unsafe(no_mangle)]
pub extern "C" fn snn_builder_new() -> *mut SnnBuilder {
    Box::into_raw(Box::new(SnnBuilder(Guarded::new(Parts::default()))))
}

/// Frees a builder; null is allowed.
///
/// # Safety
/// `builder` is a builder that was not freed, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_builder_free(builder: *mut SnnBuilder) {
    // SAFETY: as the caller says.
    unsafe { take_back(builder) }
}

/// Declares a population of `kind`: "source", "max-pool", or a model by its name, with its parameters and choices. Those
/// that have a default may be left out. `population` becomes its number.
///
/// # Safety
/// `builder` is a builder; `name` and `kind` are texts; `parameters` and `choices` have as many elements as is said, of
/// texts and values; `population` may be written.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments, reason = "C has no lists of its own, so each is two arguments")]
pub unsafe extern "C" fn snn_builder_population(
    builder: *mut SnnBuilder,
    name: *const c_char,
    shape: SnnShape,
    kind: *const c_char,
    parameters: *const SnnParameter,
    parameter_count: usize,
    choices: *const SnnChoice,
    choice_count: usize,
    population: *mut u32,
) -> SnnStatus {
    call(|| {
        // SAFETY: as the caller says.
        let (name, kind) = unsafe { (text(name, "name")?, text(kind, "kind")?) };
        // SAFETY: as the caller says.
        let given = unsafe { array(parameters, parameter_count, "parameters") }?;
        let parameters = given.iter().map(|parameter| {
            // SAFETY: as the caller says.
            let name = unsafe { text(parameter.name, "name of a parameter") }?;
            // SAFETY: as the caller says.
            let values = unsafe { array(parameter.values, parameter.length, name) }?;
            let values = PerNeuron::repeating(values.to_vec().into()).map_err(|error| error.within(name))?;
            Ok((name, values))
        });
        let parameters: Vec<(&str, PerNeuron)> = parameters.collect::<Result<_, Failure>>()?;
        // SAFETY: as the caller says.
        let given = unsafe { array(choices, choice_count, "choices") }?;
        // SAFETY: as the caller says.
        let choices = given.iter().map(|choice| unsafe {
            Ok((text(choice.name, "name of a choice")?, text(choice.option, "option of a choice")?))
        });
        let choices: Vec<(&str, &str)> = choices.collect::<Result<_, Failure>>()?;
        let neuron = match kind {
            "source" | "max-pool" if !parameters.is_empty() || !choices.is_empty() => {
                return Err(Failure::argument(format!(
                    "population `{name}`: neurons of the kind `{kind}` have no parameters and no choices"
                )));
            }
            "source" => Neuron::Source,
            "max-pool" => Neuron::MaxPool(MaxPool),
            _ => BuiltIn::find(kind)
                .and_then(|model| model.named(parameters, choices))
                .map_err(|error| error.within(format!("population `{name}`")))?,
        };
        // SAFETY: as the caller says.
        let builder = unsafe { changed(builder, "builder") }?;
        builder.0.change(|parts| {
            let id = parts.builder.population(name, shape.into(), neuron);
            parts.layouts.push(shape.into());
            // There are fewer than 2^32 populations, as their ids say.
            // SAFETY: as the caller says.
            unsafe { put(population, id.index() as u32, "population") }
        })
    })
}

/// Declares a projection whose connectivity is made for its populations.
///
/// # Safety
/// `builder` is a builder, or null.
unsafe fn project(
    builder: *mut SnnBuilder,
    [source, target]: [u32; 2],
    delay: u32,
    connectivity: impl FnOnce(Layout, Layout) -> Result<Connectivity, Failure>,
) -> SnnStatus {
    call(|| {
        // SAFETY: as the caller says.
        let builder = unsafe { changed(builder, "builder") }?;
        builder.0.change(|parts| {
            let ids: [PopulationId; 2] =
                [parts.builder.id(source as usize)?, parts.builder.id(target as usize)?];
            let [from, to] = ids.map(|id| parts.layouts[id.index()]);
            let connectivity = connectivity(from, to).map_err(|failure| Failure {
                text: format!("projection {source} -> {target}: {}", failure.text),
                ..failure
            })?;
            parts.builder.projection(ids[0], ids[1], delay, connectivity);
            Ok(())
        })
    })
}

fn size(layout: Layout) -> usize {
    layout.neurons().unwrap_or(u32::MAX) as usize
}

/// Declares a projection with a weight for every pair of neurons, `[sources][targets]`, by ids; zeros are no synapses. Its
/// spikes arrive `delay` steps after they were emitted.
///
/// # Safety
/// `builder` is a builder; `weights` has as many values as pairs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_builder_dense(
    builder: *mut SnnBuilder,
    source: u32,
    target: u32,
    delay: u32,
    weights: *const f32,
) -> SnnStatus {
    let connectivity = |from: Layout, to: Layout| {
        let count = size(from).saturating_mul(size(to));
        // SAFETY: as the caller says.
        let weights = unsafe { array(weights, count, "weights") }?;
        Ok(Connectivity::Rows(Rows::Dense(DenseRows::new(size(to), weights.to_vec().into())?)))
    };
    // SAFETY: as the caller says.
    unsafe { project(builder, [source, target], delay, connectivity) }
}

/// Declares a projection of sparse weights in compressed rows (CSR), sources by targets, by ids: `row_starts` has a value for
/// each source and one more; the targets of a row ascend, and no weight is 0.
///
/// # Safety
/// `builder` is a builder; `row_starts` has as many values as there are sources and one more; `targets` and `weights` have
/// `synapses` values.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments, reason = "C has no lists of its own, so each is two arguments")]
pub unsafe extern "C" fn snn_builder_sparse(
    builder: *mut SnnBuilder,
    source: u32,
    target: u32,
    delay: u32,
    row_starts: *const u64,
    targets: *const u32,
    weights: *const f32,
    synapses: usize,
) -> SnnStatus {
    let connectivity = |from: Layout, to: Layout| {
        // SAFETY: as the caller says.
        let starts = unsafe { array(row_starts, size(from).saturating_add(1), "row_starts") }?;
        // SAFETY: as the caller says.
        let (targets, weights) =
            unsafe { (array(targets, synapses, "targets")?, array(weights, synapses, "weights")?) };
        let rows = SparseRows::from_columns(size(to), starts.to_vec(), targets.to_vec(), weights.to_vec())?;
        Ok(Connectivity::Rows(Rows::Sparse(rows)))
    };
    // SAFETY: as the caller says.
    unsafe { project(builder, [source, target], delay, connectivity) }
}

/// Declares a projection from neuron i to neuron i, with `length` weights: one for all, one for each, or a divisor of their
/// number, repeated along the neurons.
///
/// # Safety
/// `builder` is a builder; `weights` has `length` values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_builder_one_to_one(
    builder: *mut SnnBuilder,
    source: u32,
    target: u32,
    delay: u32,
    weights: *const f32,
    length: usize,
) -> SnnStatus {
    let connectivity = |from: Layout, _: Layout| {
        // SAFETY: as the caller says.
        let weights = unsafe { array(weights, length, "weights") }?;
        let weights = PerNeuron::repeating(weights.to_vec().into())?;
        Ok(Connectivity::OneToOne(OneToOne::new(size(from), weights)?))
    };
    // SAFETY: as the caller says.
    unsafe { project(builder, [source, target], delay, connectivity) }
}

/// Declares a projection that is a convolution; its weights are the kernels, in C order.
///
/// # Safety
/// `builder` is a builder; `weights` has as many values as the four sizes of the kernels multiply to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_builder_convolution(
    builder: *mut SnnBuilder,
    source: u32,
    target: u32,
    delay: u32,
    convolution: SnnConvolution,
    weights: *const f32,
) -> SnnStatus {
    let connectivity = |from: Layout, to: Layout| {
        let SnnConvolution { kernels, stride, dilation, padding, groups } = convolution;
        let count = kernels.iter().fold(1_usize, |n, &size| n.saturating_mul(size as usize));
        // SAFETY: as the caller says.
        let weights = unsafe { array(weights, count, "weights") }?;
        let shape = ConvolutionShape { kernels, stride, dilation, padding, groups };
        Ok(Connectivity::Conv2d(Conv2d::from_kernels(from, to, shape, weights)?))
    };
    // SAFETY: as the caller says.
    unsafe { project(builder, [source, target], delay, connectivity) }
}

/// Checks everything and makes the network. The builder is empty afterwards, also if it fails.
///
/// # Safety
/// `builder` is a builder; `network` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_builder_build(
    builder: *mut SnnBuilder,
    network: *mut *mut SnnNetwork,
) -> SnnStatus {
    call(|| {
        // SAFETY: as the caller says.
        let builder = unsafe { changed(builder, "builder") }?;
        builder.0.change(|parts| {
            let make = || {
                let built = std::mem::take(parts).builder.build()?;
                SnnNetwork::new(built, Description::default(), None)
            };
            // SAFETY: as the caller says.
            unsafe { hand_over(network, "network", make) }
        })
    })
}
