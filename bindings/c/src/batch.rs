//! Many samples at once, over threads.

use std::sync::Arc;

use snn_engine::{AnySimulator, Input, Memory, NetworkError, Outcome, Until, default_threads, run_batch};

use crate::network::{SnnNetwork, mode};
use crate::simulator::encoding;
use crate::status::{Failure, SnnStatus, array, call, given, hand_over, put, take_back};

/// What the samples of a batch gave.
pub struct SnnOutcomes(Vec<Outcome>);

/// How a batch is run. All zeros are the usual choices, but for `steps`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SnnRunOptions {
    /// Steps of each sample, at least 1; with `until_quiet` the most.
    pub steps: u32,
    /// Whether each sample ends when nothing will ever happen again.
    pub until_quiet: bool,
    /// SNN_MODE_AUTO, SNN_MODE_EVENT or SNN_MODE_DENSE.
    pub mode: u32,
    /// SNN_ENCODING_CONSTANT, _ONCE, _POISSON or _REGULAR. Not looked at where spikes are given.
    pub encoding: u32,
    /// The seed of SNN_ENCODING_POISSON.
    pub seed: u64,
    /// Threads; 0 for all processors. No result depends on them.
    pub threads: usize,
}

/// What one sample gave. The arrays are borrowed from the outcomes; they stand in the user's order (channels first).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SnnOutcome {
    /// The sums of the values of the spikes of every neuron of the last population.
    pub counts: *const i64,
    /// How many.
    pub count_length: usize,
    /// Potentials of the last population after the last step.
    pub potentials: *const f32,
    /// How many; 0 if it has none.
    pub potential_length: usize,
    /// The largest potential of a read-out, else the largest count; the lowest place among equals.
    pub predicted: usize,
    /// Steps done.
    pub steps: u64,
    /// Whether nothing will ever happen again, where that was asked for.
    pub quiet: bool,
}

fn run(network: &SnnNetwork, input: &Input, options: &SnnRunOptions) -> Result<SnnOutcomes, Failure> {
    if options.steps == 0 {
        return Err(Failure::argument("steps is 0; allowed are numbers from 1 on"));
    }
    let (mode, inner) = (mode(options.mode)?, &network.inner);
    let until =
        if options.until_quiet { Until::Quiet { limit: options.steps } } else { Until::Steps(options.steps) };
    let wanted = if options.threads == 0 { default_threads() } else { options.threads };
    let memory = Memory::of(mode, inner, u64::from(options.steps)).and_outcomes(inner, input.samples());
    let threads = network.simulators(memory, wanted)?.min(input.samples()).max(1);
    let (simulator, over) = AnySimulator::new(mode, Arc::clone(inner)).over_threads(threads, input.samples());
    let done = |_| Ok::<(), NetworkError>(());
    Ok(SnnOutcomes(run_batch(0..input.samples(), over, &simulator, input, until, false, done)?))
}

fn count(samples: usize, each: usize) -> Result<usize, Failure> {
    samples
        .checked_mul(each)
        .ok_or_else(|| Failure::argument(format!("{samples} samples do not fit any memory")))
}

/// Runs samples of values for the one source of a network, `[samples][neurons of the source]` in the user's order (channels
/// first).
///
/// # Safety
/// `network` is a network, `options` are options; `values` has as many values as is said; `outcomes` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_network_run(
    network: *const SnnNetwork,
    values: *const f32,
    samples: usize,
    options: *const SnnRunOptions,
    outcomes: *mut *mut SnnOutcomes,
) -> SnnStatus {
    call(|| {
        // SAFETY: as the caller says.
        let (network, options) = unsafe { (given(network, "network")?, given(options, "options")?) };
        let width: usize = network.inner.sources().map(|id| network.inner.population(id).size()).sum();
        // SAFETY: as the caller says.
        let values = unsafe { array(values, count(samples, width)?, "values") }?;
        let input =
            Input::values(&network.inner, values.to_vec(), encoding(options.encoding, options.seed)?)?;
        // SAFETY: as the caller says.
        unsafe { hand_over(outcomes, "outcomes", || run(network, &input, options)) }
    })
}

/// Runs samples of given spikes, `[samples][given steps][neurons of the source]` in the user's order: their values, 0 for none.
/// Steps beyond the given ones are without input.
///
/// # Safety
/// `network` is a network, `options` are options; `spikes` has as many values as is said; `outcomes` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_network_run_spikes(
    network: *const SnnNetwork,
    spikes: *const i16,
    samples: usize,
    given_steps: usize,
    options: *const SnnRunOptions,
    outcomes: *mut *mut SnnOutcomes,
) -> SnnStatus {
    call(|| {
        // SAFETY: as the caller says.
        let (network, options) = unsafe { (given(network, "network")?, given(options, "options")?) };
        let width: usize = network.inner.sources().map(|id| network.inner.population(id).size()).sum();
        // SAFETY: as the caller says.
        let values = unsafe { array(spikes, count(samples, count(given_steps, width)?)?, "spikes") }?;
        let input = Input::valued(&network.inner, values.to_vec(), given_steps)?;
        // SAFETY: as the caller says.
        unsafe { hand_over(outcomes, "outcomes", || run(network, &input, options)) }
    })
}

/// Tells of one sample.
///
/// # Safety
/// `outcomes` are outcomes; `found` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_outcomes_get(
    outcomes: *const SnnOutcomes,
    sample: usize,
    found: *mut SnnOutcome,
) -> SnnStatus {
    call(|| {
        // SAFETY: as the caller says.
        let outcomes = unsafe { given(outcomes, "outcomes") }?;
        let outcome = outcomes.0.get(sample).ok_or_else(|| {
            Failure::argument(format!("sample {sample} does not exist; there are {}", outcomes.0.len()))
        })?;
        let told = SnnOutcome {
            counts: outcome.counts.as_ptr(),
            count_length: outcome.counts.len(),
            potentials: outcome.potentials.as_ptr(),
            potential_length: outcome.potentials.len(),
            predicted: outcome.class,
            steps: outcome.statistics.steps,
            quiet: outcome.quiet_after.is_some(),
        };
        // SAFETY: as the caller says.
        unsafe { put(found, told, "found") }
    })
}

/// Frees outcomes; null is allowed.
///
/// # Safety
/// `outcomes` are outcomes that were not freed, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_outcomes_free(outcomes: *mut SnnOutcomes) {
    // SAFETY: as the caller says.
    unsafe { take_back(outcomes) }
}
