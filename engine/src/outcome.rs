use std::ops::Range;
use std::sync::Arc;

use crate::{
    DenseSimulator, EventSimulator, Input, Layout, Network, NetworkError, Neuron, Observer, PopulationId,
    Raster, Sample, Simulator, Statistics, WindowSimulator, run_samples,
};

/// Which simulator runs a network. The results are the same, bit for bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// [`WindowSimulator`]
    Auto,
    /// [`EventSimulator`]
    Event,
    /// [`DenseSimulator`]
    Dense,
}

/// A simulator of any mode, to be cloned for every thread.
#[derive(Clone)]
pub enum AnySimulator {
    /// [`WindowSimulator`]
    Window(WindowSimulator),
    /// [`EventSimulator`]
    Event(EventSimulator),
    /// [`DenseSimulator`]
    Dense(DenseSimulator),
}

impl AnySimulator {
    /// The simulator of a mode.
    #[must_use]
    pub fn new(mode: Mode, network: Arc<Network>) -> Self {
        match mode {
            Mode::Auto => Self::Window(WindowSimulator::new(network)),
            Mode::Event => Self::Event(EventSimulator::new(network)),
            Mode::Dense => Self::Dense(DenseSimulator::new(network)),
        }
    }

    /// Divides threads between samples and the targets of each: the simulator, and the threads for
    /// [`run_batch`].
    ///
    /// Where there is a sample for every thread, samples are taken side by side; else one after the other, each
    /// over all threads ([`WindowSimulator::with_threads`]) if the simulator can do that.
    ///
    /// # Panics
    /// If the threads cannot be started.
    #[must_use]
    pub fn over_threads(self, threads: usize, samples: usize) -> (Self, usize) {
        match self {
            Self::Window(simulator) if samples < threads => {
                let spread = simulator.with_threads(threads);
                let side_by_side = if spread.threads() == threads { 1 } else { threads };
                (Self::Window(spread), side_by_side)
            }
            other => (other, threads),
        }
    }

    /// The simulator itself.
    pub fn get(&mut self) -> &mut dyn Simulator {
        match self {
            Self::Window(simulator) => simulator,
            Self::Event(simulator) => simulator,
            Self::Dense(simulator) => simulator,
        }
    }
}

/// What one sample gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Spikes of every neuron of the output population, in the user's order.
    pub counts: Vec<u32>,
    /// Potentials `v` of the output population after the last step, in the user's order.
    pub potentials: Vec<f32>,
    /// The predicted class: the largest potential of a read-out population, else the largest count; the
    /// lowest index among equals.
    pub class: usize,
    /// What happened in the run.
    pub statistics: Statistics,
    /// Multiply-adds spent once on the constant currents into each population, in order of declaration.
    pub drive_operations: Vec<u64>,
    /// All spikes of every population, if they were asked for, neurons in the user's order.
    pub spikes: Option<Vec<Raster>>,
}

/// Counts the spikes of the output population and, if asked, keeps all spikes.
struct Notes<'a> {
    network: &'a Network,
    output: PopulationId,
    counts: Vec<u32>,
    kept: Option<Vec<Raster>>,
    in_user_order: Vec<u32>,
}

impl Observer for Notes<'_> {
    fn spikes(&mut self, population: PopulationId, step: u64, neurons: &[u32]) {
        if population == self.output {
            for &neuron in neurons {
                self.counts[neuron as usize] += 1;
            }
        }
        if let Some(rasters) = &mut self.kept {
            let raster = &mut rasters[population.index()];
            while (raster.steps() as u64) < step {
                raster.push_step(&[]);
            }
            let layout = self.network.population(population).layout();
            self.in_user_order.clear();
            self.in_user_order
                .extend(neurons.iter().map(|&neuron| layout.user_index(neuron as usize) as u32));
            if !matches!(layout, Layout::Flat(_)) {
                self.in_user_order.sort_unstable();
            }
            raster.push_step(&self.in_user_order);
        }
    }
}

impl<'a> Notes<'a> {
    fn new(network: &'a Network, keep_spikes: bool) -> Self {
        let output = network.output();
        let kept = keep_spikes.then(|| vec![Raster::new(); network.populations().len()]);
        let counts = vec![0; network.population(output).size()];
        Notes { network, output, counts, kept, in_user_order: vec![] }
    }

    /// The outcome of a run, from the potentials `v` that the output population has after it.
    fn outcome(self, v: &[f32], statistics: &Statistics, sample: &Sample) -> Outcome {
        let population = self.network.population(self.output);
        let layout = population.layout();
        let places = || (0..population.size()).map(|index| layout.neuron_at(index));
        let counts: Vec<u32> = places().map(|neuron| self.counts[neuron]).collect();
        let potentials: Vec<f32> =
            if v.is_empty() { vec![] } else { places().map(|neuron| v[neuron]).collect() };
        let class = match population.neuron() {
            Neuron::Accumulator(_) => first_largest(&potentials),
            _ => first_largest(&counts),
        };
        Outcome {
            counts,
            potentials,
            class,
            statistics: statistics.clone(),
            drive_operations: self.network.ids().map(|id| sample.drive.operations(id)).collect(),
            spikes: self.kept,
        }
    }
}

/// Runs one sample of an input for `steps` steps from the beginning.
///
/// # Errors
/// If the sample does not fit the network.
pub fn run_sample(
    simulator: &mut dyn Simulator,
    input: &Input,
    index: usize,
    steps: u32,
    keep_spikes: bool,
) -> Result<Outcome, NetworkError> {
    let network = Arc::clone(simulator.network());
    let sample = input.sample(&network, index, steps)?;
    let mut notes = Notes::new(&network, keep_spikes);
    simulator.start(&sample.drive);
    simulator.run(&sample, u64::from(steps), &mut notes)?;
    let v = simulator.potentials(network.output());
    Ok(notes.outcome(&v, simulator.statistics(), &sample))
}

/// Runs samples of an input over threads, `steps` steps each, and gives the outcomes in order: those of
/// [`run_sample`], whatever the number of threads.
///
/// Short runs of a [`WindowSimulator`] are made several at once ([`WindowSimulator::run_side_by_side`]). `done(samples)`
/// is told whenever some samples have ended, and may stop the batch by an error.
///
/// # Errors
/// The error of the first sample, in order, that does not fit the network, or of `done`.
///
/// # Panics
/// If the threads cannot be started.
pub fn run_batch<E: From<NetworkError> + Send>(
    samples: Range<usize>,
    threads: usize,
    simulator: &AnySimulator,
    input: &Input,
    steps: u32,
    keep_spikes: bool,
    done: impl Fn(usize) -> Result<(), E> + Sync,
) -> Result<Vec<Outcome>, E> {
    let room = match simulator {
        AnySimulator::Window(windows) => windows.side_by_side(u64::from(steps)),
        AnySimulator::Event(_) | AnySimulator::Dense(_) => 1,
    };
    // As many as there is room for, but not so many that a thread has none.
    let at_once = room.min(samples.len().div_ceil(threads.max(1))).max(1);
    let groups = 0..samples.len().div_ceil(at_once);
    let outcomes = run_samples(groups, threads, simulator, |simulator, group| {
        let first = samples.start + group * at_once;
        let group = first..samples.end.min(first + at_once);
        let ended = group.len();
        let outcomes = match simulator {
            AnySimulator::Window(windows) if ended > 1 => {
                run_group(windows, input, group, steps, keep_spikes)?
            }
            other => group
                .map(|index| run_sample(other.get(), input, index, steps, keep_spikes))
                .collect::<Result<_, _>>()?,
        };
        done(ended)?;
        Ok::<Vec<Outcome>, E>(outcomes)
    })?;
    Ok(outcomes.into_iter().flatten().collect())
}

/// Runs samples side by side.
fn run_group(
    simulator: &mut WindowSimulator,
    input: &Input,
    samples: Range<usize>,
    steps: u32,
    keep_spikes: bool,
) -> Result<Vec<Outcome>, NetworkError> {
    let network = Arc::clone(simulator.network());
    let samples = samples.map(|index| input.sample(&network, index, steps)).collect::<Result<Vec<_>, _>>()?;
    let mut notes: Vec<Notes<'_>> = samples.iter().map(|_| Notes::new(&network, keep_spikes)).collect();
    let mut observers: Vec<&mut dyn Observer> =
        notes.iter_mut().map(|notes| notes as &mut dyn Observer).collect();
    simulator.run_side_by_side(&samples, u64::from(steps), &mut observers)?;
    let outcomes = notes.into_iter().zip(&samples).enumerate().map(|(at, (notes, sample))| {
        let v = simulator.potentials_of(at, network.output());
        notes.outcome(&v, simulator.statistics_of(at), sample)
    });
    Ok(outcomes.collect())
}

/// The place of the largest value, the first among equals; 0 if there are none.
fn first_largest<T: PartialOrd>(values: &[T]) -> usize {
    let mut largest = 0;
    for (place, value) in values.iter().enumerate() {
        if *value > values[largest] {
            largest = place;
        }
    }
    largest
}

/// Where two simulators of one network part.
#[derive(Clone, Debug, PartialEq)]
pub struct Parting {
    /// The step after which their states differ for the first time.
    pub step: u64,
    /// What differs.
    pub difference: crate::Difference,
    /// The potentials `v` of the neuron in either simulator, if the difference is in one.
    pub potentials: Option<[f32; 2]>,
}

impl Parting {
    /// The first place where two simulators differ after the same number of steps.
    fn between(one: &dyn Simulator, other: &dyn Simulator) -> Option<Self> {
        let (state, others) = (one.state(), other.state());
        let difference = state.first_difference(&others)?;
        let population = difference.population;
        let in_potential = difference.neuron.filter(|_| difference.quantity == "potential");
        let potentials = in_potential
            .map(|neuron| [one.potentials(population)[neuron], other.potentials(population)[neuron]]);
        Some(Self { step: state.step.saturating_sub(1), difference, potentials })
    }
}

/// Runs two simulators side by side over one sample and compares their states by bits after every step.
///
/// # Errors
/// If the sample does not fit the network.
pub fn first_parting(
    one: &mut dyn Simulator,
    other: &mut dyn Simulator,
    sample: &Sample,
    steps: u64,
) -> Result<Option<Parting>, NetworkError> {
    let network = Arc::clone(one.network());
    one.start(&sample.drive);
    other.start(&sample.drive);
    for step in 0..steps {
        let stimulus = sample.stimulus(&network, usize::try_from(step).unwrap_or(usize::MAX - 2))?;
        one.step(&stimulus);
        other.step(&stimulus);
        if let Some(parting) = Parting::between(one, other) {
            return Ok(Some(parting));
        }
    }
    Ok(None)
}

/// Runs a simulator over a whole sample in one go and compares its state by bits with that of another, which
/// has done so already.
///
/// # Errors
/// If the sample does not fit the network.
pub fn parting_at_end(
    done: &dyn Simulator,
    other: &mut dyn Simulator,
    sample: &Sample,
    steps: u64,
) -> Result<Option<Parting>, NetworkError> {
    other.start(&sample.drive);
    other.run(sample, steps, &mut ())?;
    Ok(Parting::between(done, other))
}
