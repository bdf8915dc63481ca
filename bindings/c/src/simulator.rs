//! A network that is driven from outside, step by step, and read without copies.

use std::sync::Arc;

use snn_engine::{
    AnySimulator, Drive, Encoding, Input, Memory, Network, Observer, PopulationId, Sample, Simulator,
    SpikeSlice, Spikes, State, Stimulus,
};

use crate::network::{SnnNetwork, mode};
use crate::status::{Failure, Guarded, SnnStatus, array, call, changed, given, hand_over, put, take_back};

/// Runs a network. It keeps what it needs of the network, which may be freed before.
pub struct SnnSimulator(Guarded<Run>);

struct Run {
    network: Arc<Network>,
    simulator: AnySimulator,
    /// What the next step is given.
    stimulus: Stimulus,
    /// The spikes of the last single step.
    last: Spikes,
    /// The sum of the values of the spikes of every neuron since the start.
    counts: Vec<Vec<i64>>,
    /// Of the last save.
    saved: Vec<u8>,
}

/// Adds spikes up.
struct Counter<'a>(&'a mut [Vec<i64>]);

impl Observer for Counter<'_> {
    fn spikes(&mut self, population: PopulationId, _: u64, spikes: SpikeSlice<'_>) {
        let counts = &mut self.0[population.index()];
        for (neuron, value) in spikes.iter() {
            counts[neuron as usize] += i64::from(value);
        }
    }
}

impl Run {
    fn of(network: &SnnNetwork, number: u32) -> Result<Self, Failure> {
        let (inner, mode) = (Arc::clone(&network.inner), mode(number)?);
        network.simulators(Memory::of(mode, &inner, u64::MAX), 1)?;
        Ok(Self {
            simulator: AnySimulator::new(mode, Arc::clone(&inner)),
            stimulus: Stimulus::none(),
            last: Spikes::none(inner.populations().len()),
            counts: inner.populations().iter().map(|population| vec![0; population.size()]).collect(),
            saved: vec![],
            network: inner,
        })
    }

    fn id(&self, population: u32) -> Result<PopulationId, Failure> {
        let count = self.network.populations().len();
        self.network.ids().nth(population as usize).ok_or_else(|| {
            Failure::argument(format!(
                "population {population} does not exist; allowed are 0 to {}",
                count - 1
            ))
        })
    }

    fn forget(&mut self) {
        self.stimulus.clear();
        self.last = Spikes::none(self.counts.len());
        self.counts.iter_mut().for_each(|counts| counts.fill(0));
    }

    fn step(&mut self) {
        self.last.clone_from(self.simulator.step(&self.stimulus));
        self.stimulus.clear();
        let step = self.simulator.now();
        for id in self.network.ids() {
            Counter(&mut self.counts).spikes(id, step, self.last.with_values(id));
        }
    }

    /// The first of several steps, if something is given to it.
    fn step_if_given(&mut self) -> bool {
        let given = |id| !self.stimulus.spikes(id).is_empty() || self.stimulus.currents(id).len() > 0;
        let given = self.network.ids().any(given);
        if given {
            self.step();
        }
        self.last = Spikes::none(self.counts.len());
        given
    }
}

/// The values of a sample are constant currents: their product with the weights is given in every step.
pub const SNN_ENCODING_CONSTANT: u32 = 0;
/// The same currents once, in the first step, and the biases with them.
pub const SNN_ENCODING_ONCE: u32 = 1;
/// The values are the probabilities of spikes in a step.
pub const SNN_ENCODING_POISSON: u32 = 2;
/// The values are the rates of evenly spaced spikes.
pub const SNN_ENCODING_REGULAR: u32 = 3;

/// The encoding of a number.
pub(crate) fn encoding(number: u32, seed: u64) -> Result<Encoding, Failure> {
    match number {
        SNN_ENCODING_CONSTANT => Ok(Encoding::Constant),
        SNN_ENCODING_ONCE => Ok(Encoding::Once),
        SNN_ENCODING_POISSON => Ok(Encoding::Poisson { seed }),
        SNN_ENCODING_REGULAR => Ok(Encoding::Regular),
        _ => Err(Failure::argument(format!(
            "encoding is {number}; allowed are SNN_ENCODING_CONSTANT, _ONCE, _POISSON and _REGULAR"
        ))),
    }
}

/// Makes a simulator; `mode` is one of SNN_MODE_AUTO, SNN_MODE_EVENT and SNN_MODE_DENSE, which all give the same bits. It
/// stands at step 0, without constant currents.
///
/// # Safety
/// `network` is a network; `simulator` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_simulator_new(
    network: *const SnnNetwork,
    mode: u32,
    simulator: *mut *mut SnnSimulator,
) -> SnnStatus {
    call(|| {
        // SAFETY: as the caller says.
        let network = unsafe { given(network, "network") }?;
        // SAFETY: as the caller says.
        unsafe {
            hand_over(simulator, "simulator", || Ok(SnnSimulator(Guarded::new(Run::of(network, mode)?))))
        }
    })
}

/// Frees a simulator; null is allowed.
///
/// # Safety
/// `simulator` is a simulator that was not freed, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_simulator_free(simulator: *mut SnnSimulator) {
    // SAFETY: as the caller says.
    unsafe { take_back(simulator) }
}

/// Changes a simulator.
///
/// # Safety
/// It is a simulator, or null.
unsafe fn change(
    simulator: *mut SnnSimulator,
    work: impl FnOnce(&mut Run) -> Result<(), Failure>,
) -> SnnStatus {
    // SAFETY: as the caller says.
    call(|| unsafe { changed(simulator, "simulator") }?.0.change(work))
}

/// Goes back to step 0, with the constant currents of one sample for the source, `length` values in the user's order
/// (channels first), or none if `length` is 0. `encoding` is SNN_ENCODING_CONSTANT or SNN_ENCODING_ONCE. What was given for
/// the next step is forgotten.
///
/// # Safety
/// `simulator` is a simulator; `sample` has `length` values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_simulator_start(
    simulator: *mut SnnSimulator,
    sample: *const f32,
    length: usize,
    encoding: u32,
) -> SnnStatus {
    let work = |run: &mut Run| {
        // SAFETY: as the caller says.
        let sample = unsafe { array(sample, length, "sample") }?;
        let encoding = match self::encoding(encoding, 0)? {
            Encoding::Poisson { .. } | Encoding::Regular => {
                return Err(Failure::argument(
                    "encoding makes spikes; a sample that a simulator starts with is a current, SNN_ENCODING_CONSTANT or _ONCE",
                ));
            }
            encoding => encoding,
        };
        let drive = if sample.is_empty() {
            Drive::none()
        } else {
            let input = Input::values(&run.network, sample.to_vec(), encoding)?;
            if input.samples() != 1 {
                return Err(Failure {
                    status: SnnStatus::Input,
                    text: format!("{} samples are given; a simulator runs one at a time", input.samples()),
                });
            }
            input.sample(&run.network, 0, 0)?.drive
        };
        run.simulator.start(&drive);
        run.forget();
        Ok(())
    };
    // SAFETY: as the caller says.
    unsafe { change(simulator, work) }
}

/// Goes back to step 0 with the same constant currents.
///
/// # Safety
/// `simulator` is a simulator.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_simulator_reset(simulator: *mut SnnSimulator) -> SnnStatus {
    let work = |run: &mut Run| {
        run.simulator.reset();
        run.forget();
        Ok(())
    };
    // SAFETY: as the caller says.
    unsafe { change(simulator, work) }
}

/// Gives a current to every neuron of a population in the next step, `length` values by ids, in units of their potentials.
/// 0 is none. It takes the place of what was given to that population before.
///
/// # Safety
/// `simulator` is a simulator; `currents` has `length` values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_simulator_give_currents(
    simulator: *mut SnnSimulator,
    population: u32,
    currents: *const f32,
    length: usize,
) -> SnnStatus {
    let work = |run: &mut Run| {
        let id = run.id(population)?;
        // SAFETY: as the caller says.
        let currents = unsafe { array(currents, length, "currents") }?;
        Ok(run.stimulus.set_currents(&run.network, id, currents)?)
    };
    // SAFETY: as the caller says.
    unsafe { change(simulator, work) }
}

/// The same for some neurons, ids ascending.
///
/// # Safety
/// `simulator` is a simulator; `neurons` and `currents` have `length` values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_simulator_give_currents_to(
    simulator: *mut SnnSimulator,
    population: u32,
    neurons: *const u32,
    currents: *const f32,
    length: usize,
) -> SnnStatus {
    let work = |run: &mut Run| {
        let id = run.id(population)?;
        // SAFETY: as the caller says.
        let (neurons, currents) =
            unsafe { (array(neurons, length, "neurons")?, array(currents, length, "currents")?) };
        Ok(run.stimulus.set_currents_of(&run.network, id, neurons, currents)?)
    };
    // SAFETY: as the caller says.
    unsafe { change(simulator, work) }
}

/// Gives spikes to a population that fires, in the next step: they are emitted as if by its neurons, ids ascending, whose
/// potentials they leave alone. `values` are theirs, or null if all are 1. They take the place of those that were given to that
/// population before.
///
/// # Safety
/// `simulator` is a simulator; `neurons`, and `values` if it is not null, have `length` values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_simulator_give_spikes(
    simulator: *mut SnnSimulator,
    population: u32,
    neurons: *const u32,
    values: *const i32,
    length: usize,
) -> SnnStatus {
    let work = |run: &mut Run| {
        let id = run.id(population)?;
        // SAFETY: as the caller says.
        let neurons = unsafe { array(neurons, length, "neurons") }?;
        let spikes = if values.is_null() {
            SpikeSlice::unit(neurons)
        } else {
            // SAFETY: as the caller says.
            SpikeSlice::new(neurons, unsafe { array(values, length, "values") }?)?
        };
        Ok(run.stimulus.set_spikes(&run.network, id, spikes)?)
    };
    // SAFETY: as the caller says.
    unsafe { change(simulator, work) }
}

/// Does one step with what was given for it.
///
/// # Safety
/// `simulator` is a simulator.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_simulator_step(simulator: *mut SnnSimulator) -> SnnStatus {
    let work = |run: &mut Run| {
        run.step();
        Ok(())
    };
    // SAFETY: as the caller says.
    unsafe { change(simulator, work) }
}

/// Does so many steps, the first with what was given for it. snn_simulator_counts() tells of their spikes.
///
/// # Safety
/// `simulator` is a simulator.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_simulator_run(simulator: *mut SnnSimulator, steps: u64) -> SnnStatus {
    let work = |run: &mut Run| {
        if steps == 0 {
            return Ok(());
        }
        let rest = steps - u64::from(run.step_if_given());
        Ok(run.simulator.run(&Sample::default(), rest, &mut Counter(&mut run.counts))?)
    };
    // SAFETY: as the caller says.
    unsafe { change(simulator, work) }
}

/// Goes on until nothing will ever happen again, at most until `limit` steps are done in all, the first with what was given
/// for it. `quiet` tells whether it came to that, snn_simulator_now() when.
///
/// # Safety
/// `simulator` is a simulator; `quiet` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_simulator_run_until_quiet(
    simulator: *mut SnnSimulator,
    limit: u64,
    quiet: *mut bool,
) -> SnnStatus {
    let work = |run: &mut Run| {
        if run.simulator.now() < limit {
            run.step_if_given();
        }
        let after =
            run.simulator.run_until_quiet(&Sample::default(), limit, &mut Counter(&mut run.counts))?;
        // SAFETY: as the caller says.
        unsafe { put(quiet, after.is_some(), "quiet") }
    };
    // SAFETY: as the caller says.
    unsafe { change(simulator, work) }
}

/// The number of steps done.
///
/// # Safety
/// `simulator` is a simulator; `steps` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_simulator_now(simulator: *mut SnnSimulator, steps: *mut u64) -> SnnStatus {
    // SAFETY: as the caller says.
    unsafe { change(simulator, |run| put(steps, run.simulator.now(), "steps")) }
}

/// The spikes of a population in the last step, ids ascending; `values` becomes null if all are 1. None after a run of
/// several steps. Valid until the next call with this simulator.
///
/// # Safety
/// `simulator` is a simulator; the others may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_simulator_spikes(
    simulator: *mut SnnSimulator,
    population: u32,
    neurons: *mut *const u32,
    values: *mut *const i32,
    count: *mut usize,
) -> SnnStatus {
    let work = |run: &mut Run| {
        let spikes = run.last.with_values(run.id(population)?);
        let valued = if spikes.values().is_empty() { std::ptr::null() } else { spikes.values().as_ptr() };
        // SAFETY: as the caller says.
        unsafe {
            put(neurons, spikes.neurons().as_ptr(), "neurons")?;
            put(values, valued, "values")?;
            put(count, spikes.len(), "count")
        }
    };
    // SAFETY: as the caller says.
    unsafe { change(simulator, work) }
}

/// The sums of the values of the spikes of every neuron of a population since the start, by ids: their numbers where all values
/// are 1. Valid until the next call with this simulator.
///
/// # Safety
/// `simulator` is a simulator; the others may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_simulator_counts(
    simulator: *mut SnnSimulator,
    population: u32,
    counts: *mut *const i64,
    length: *mut usize,
) -> SnnStatus {
    let work = |run: &mut Run| {
        let found = &run.counts[run.id(population)?.index()];
        // SAFETY: as the caller says.
        unsafe {
            put(counts, found.as_ptr(), "counts")?;
            put(length, found.len(), "length")
        }
    };
    // SAFETY: as the caller says.
    unsafe { change(simulator, work) }
}

/// The potentials of a population after the last step, by ids; none for populations without. They are read where the simulator
/// has them, and valid until the next call with it.
///
/// # Safety
/// `simulator` is a simulator; the others may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_simulator_potentials(
    simulator: *mut SnnSimulator,
    population: u32,
    potentials: *mut *const f32,
    length: *mut usize,
) -> SnnStatus {
    let work = |run: &mut Run| {
        let id = run.id(population)?;
        let found = run.simulator.potentials(id);
        // SAFETY: as the caller says.
        unsafe {
            put(potentials, found.as_ptr(), "potentials")?;
            put(length, found.len(), "length")
        }
    };
    // SAFETY: as the caller says.
    unsafe { change(simulator, work) }
}

/// Where the run stands, as bytes from which any simulator of this network goes on: all that the next step depends on but what
/// is given to it and the constant currents. Valid until the next call with this simulator; copy them to keep them.
///
/// # Safety
/// `simulator` is a simulator; the others may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_simulator_save(
    simulator: *mut SnnSimulator,
    bytes: *mut *const u8,
    length: *mut usize,
) -> SnnStatus {
    let work = |run: &mut Run| {
        run.saved = run.simulator.state().to_bytes();
        // SAFETY: as the caller says.
        unsafe {
            put(bytes, run.saved.as_ptr(), "bytes")?;
            put(length, run.saved.len(), "length")
        }
    };
    // SAFETY: as the caller says.
    unsafe { change(simulator, work) }
}

/// Goes on from saved bytes, with the constant currents of the last start. Counts go on counting. If it fails the simulator is
/// as it was.
///
/// # Safety
/// `simulator` is a simulator; `bytes` has `length` bytes, which may be those of a save of another simulator.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_simulator_restore(
    simulator: *mut SnnSimulator,
    bytes: *const u8,
    length: usize,
) -> SnnStatus {
    let work = |run: &mut Run| {
        // SAFETY: as the caller says.
        let bytes = unsafe { array(bytes, length, "bytes") }?;
        run.simulator.restore(&State::from_bytes(bytes)?)?;
        run.stimulus.clear();
        run.last = Spikes::none(run.counts.len());
        Ok(())
    };
    // SAFETY: as the caller says.
    unsafe { change(simulator, work) }
}

/// What happened in a population since the start. The numbers are exact.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnnStatistics {
    /// Spikes, whatever their values.
    pub spikes: u64,
    /// The sum of the magnitudes of their values.
    pub magnitude: u64,
    /// Weights of arriving spikes that were delivered.
    pub synaptic_operations: u64,
    /// Pairs of neuron and step in which a weight or current arrived, or the neuron fired.
    pub updates: u64,
}

/// Tells what happened in a population since the start.
///
/// # Safety
/// `simulator` is a simulator; `statistics` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_simulator_statistics(
    simulator: *mut SnnSimulator,
    population: u32,
    statistics: *mut SnnStatistics,
) -> SnnStatus {
    let work = |run: &mut Run| {
        let of = *run.simulator.statistics().of(run.id(population)?);
        let told = SnnStatistics {
            spikes: of.spikes,
            magnitude: of.magnitude,
            synaptic_operations: of.synaptic_operations,
            updates: of.updates,
        };
        // SAFETY: as the caller says.
        unsafe { put(statistics, told, "statistics") }
    };
    // SAFETY: as the caller says.
    unsafe { change(simulator, work) }
}
