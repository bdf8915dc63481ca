use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use snn_engine::{
    Delivery, Drive, Input, Network, NetworkBuilder, NetworkError, Neuron, Observer, Outcome, PerNeuron,
    PopulationId, Raster, Sample, Simulator, SpikeSlice, Statistics, WindowSimulator, run_sample,
};

use crate::dense::Dense;
use crate::limit::scatter_limit;
use crate::race::{Contender, Times, race};
use crate::rival::{Counts, Rival, Unsupported};
use crate::scatter::Scatter;

/// What one network costs on this machine, beside its rivals.
#[derive(Clone, Debug)]
pub struct Study {
    /// What happened in all samples.
    pub statistics: Statistics,
    /// The samples that were timed.
    pub samples: usize,
    /// Steps of each.
    pub steps: u32,
    /// The simulator, the spikes given.
    pub layers: Times,
    /// The whole job: encoder, simulator and read-out.
    pub whole: Times,
    /// One for each population but the sources.
    pub each: Vec<LayerStudy>,
    /// The plain scatter loop, or why it was not timed.
    pub scatter: Result<Times, Unsupported>,
    /// Blocked products over all steps, or why they were not timed.
    pub dense: Result<Times, Unsupported>,
    /// Weights a second that this machine can scatter at all.
    pub limit: f64,
}

/// What one population costs by itself, given the spikes that reach it in the first sample.
#[derive(Clone, Debug)]
pub struct LayerStudy {
    /// The population.
    pub population: PopulationId,
    /// Weights delivered to it.
    pub synaptic_operations: u64,
    /// How they were delivered in the first window; `None` if it was stepped.
    pub delivery: Option<Delivery>,
    /// The time it took.
    pub times: Times,
}

/// A rival whose spikes are not those of the simulator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("population `{population}`, sample {sample}: the simulator gave {ours} spikes, {rival} {theirs}")]
pub struct Difference {
    /// The population.
    pub population: String,
    /// The sample.
    pub sample: usize,
    /// The rival's name.
    pub rival: &'static str,
    /// The spikes of the simulator.
    pub ours: u64,
    /// The spikes of the rival.
    pub theirs: u64,
}

/// Why there is no study.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// The samples do not fit the network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A rival computes something else.
    #[error(transparent)]
    Difference(#[from] Difference),
}

/// Counts the spikes of every neuron.
struct Counter(Vec<Counts>);

impl Observer for Counter {
    fn spikes(&mut self, population: PopulationId, _: u64, spikes: SpikeSlice<'_>) {
        for &neuron in spikes.neurons() {
            self.0[population.index()][neuron as usize] += 1;
        }
    }
}

/// Keeps all spikes.
struct Keeper(Vec<Raster>);

impl Observer for Keeper {
    fn spikes(&mut self, population: PopulationId, step: u64, spikes: SpikeSlice<'_>) {
        let raster = &mut self.0[population.index()];
        while (raster.steps() as u64) < step {
            raster.push_step(&[]);
        }
        raster.push(spikes);
    }
}

/// The spikes of every neuron in a run from step 0.
///
/// # Errors
/// If the sample does not fit the network.
pub fn counts(
    simulator: &mut dyn Simulator,
    sample: &Sample,
    steps: u32,
) -> Result<Vec<Counts>, NetworkError> {
    let sizes = simulator.network().populations().iter().map(|population| vec![0; population.size()]);
    let mut counter = Counter(sizes.collect());
    simulator.start(&sample.drive);
    simulator.run(sample, u64::from(steps), &mut counter)?;
    Ok(counter.0)
}

/// The simulator as a contender: spikes given.
struct Layers<'a> {
    simulator: &'a mut dyn Simulator,
    samples: &'a [Sample],
    steps: u32,
    sample: usize,
}

impl Contender for Layers<'_> {
    fn prepare(&mut self, sample: usize) {
        self.sample = sample;
    }

    fn run(&mut self) {
        let sample = &self.samples[self.sample];
        self.simulator.start(&sample.drive);
        let run = self.simulator.run(sample, u64::from(self.steps), &mut ());
        run.unwrap_or_else(|error| panic!("sample {} ran before: {error}", self.sample));
    }
}

/// The whole job as a contender.
struct Whole<'a> {
    simulator: &'a mut dyn Simulator,
    input: &'a Input,
    steps: u32,
    sample: usize,
    outcome: Option<Outcome>,
}

impl Contender for Whole<'_> {
    fn prepare(&mut self, sample: usize) {
        self.sample = sample;
    }

    fn run(&mut self) {
        let outcome = run_sample(self.simulator, self.input, self.sample, self.steps, false);
        self.outcome =
            Some(outcome.unwrap_or_else(|error| panic!("sample {} ran before: {error}", self.sample)));
    }
}

/// A rival as a contender.
struct Against<'a> {
    rival: &'a mut dyn Rival,
    samples: &'a [Sample],
    steps: u32,
}

impl Contender for Against<'_> {
    fn prepare(&mut self, sample: usize) {
        self.rival.load(&self.samples[sample], self.steps);
    }

    fn run(&mut self) {
        self.rival.run();
    }
}

/// Studies a network over the first `samples` samples of an input, `steps` steps each, for about `time`.
///
/// Before anything is timed, the counts of every neuron of the scatter loop must equal those of the simulator,
/// and the sums over each population of the dense rival be within 1 % (and 16 spikes) of them. Then the simulator runs alone for a
/// third of the time: layouts of weights are made in long use, and what is timed is long use.
///
/// # Errors
/// If the input does not fit the network, or a rival gives other spikes.
pub fn study(
    network: &Arc<Network>,
    input: &Input,
    samples: usize,
    steps: u32,
    time: Duration,
) -> Result<Study, StudyError> {
    let given =
        (0..samples).map(|sample| input.sample(network, sample, steps)).collect::<Result<Vec<_>, _>>()?;
    let mut simulator = WindowSimulator::new(Arc::clone(network));
    let mut again = simulator.clone();
    let mut scatter = Scatter::new(Arc::clone(network));
    let mut dense = Dense::new(Arc::clone(network), steps);
    let mut statistics = Statistics::zero(network);
    for (sample, given) in given.iter().enumerate() {
        let ours = counts(&mut simulator, given, steps)?;
        statistics += simulator.statistics();
        if let Ok(scatter) = &mut scatter {
            scatter.load(given, steps);
            scatter.run();
            compare(network, sample, &ours, scatter, "the scatter loop", |ours, theirs| ours == theirs)?;
        }
        if let Ok(dense) = &mut dense {
            dense.load(given, steps);
            dense.run();
            let sum = |counts: &Counts| counts.iter().map(|&count| f64::from(count)).sum::<f64>();
            compare(network, sample, &ours, dense, "the dense product", |ours, theirs| {
                (sum(ours) - sum(theirs)).abs() <= 16.0 + 0.01 * sum(ours)
            })?;
        }
    }
    let mut alone = alone_each(network, &mut again, &given[0], steps)?;

    let mut layers = Layers { simulator: &mut simulator, samples: &given, steps, sample: 0 };
    let begun = Instant::now();
    for sample in (0..samples).cycle() {
        layers.prepare(sample);
        layers.run();
        if begun.elapsed() >= time / 3 {
            break;
        }
    }
    let mut whole = Whole { simulator: &mut again, input, steps, sample: 0, outcome: None };
    let mut rivals: Vec<Against<'_>> = vec![];
    if let Ok(rival) = &mut scatter {
        rivals.push(Against { rival, samples: &given, steps });
    }
    if let Ok(rival) = &mut dense {
        rivals.push(Against { rival, samples: &given, steps });
    }
    let mut contenders: Vec<&mut dyn Contender> = vec![&mut layers, &mut whole];
    contenders.extend(rivals.iter_mut().map(|rival| rival as &mut dyn Contender));
    let mut times = race(&mut contenders, samples, time).into_iter();
    let mut next = || times.next().unwrap_or_else(|| panic!("a contender has no times"));
    let (layers, whole) = (next(), next());
    let scatter = scatter.map(|_| next());
    let dense = dense.map(|_| next());

    let mut contenders: Vec<Layers<'_>> = alone
        .iter_mut()
        .map(|one| Layers {
            simulator: &mut one.simulator,
            samples: std::slice::from_ref(&one.sample),
            steps,
            sample: 0,
        })
        .collect();
    let mut contenders: Vec<&mut dyn Contender> =
        contenders.iter_mut().map(|one| one as &mut dyn Contender).collect();
    let times = race(&mut contenders, 1, time / 4);
    let each = alone
        .iter()
        .zip(times)
        .map(|(one, times)| LayerStudy {
            population: one.population,
            synaptic_operations: one.simulator.statistics().total().synaptic_operations,
            delivery: one.simulator.delivery(one.alone),
            times,
        })
        .collect();
    Ok(Study { statistics, samples, steps, layers, whole, each, scatter, dense, limit: scatter_limit() })
}

fn compare(
    network: &Network,
    sample: usize,
    ours: &[Counts],
    rival: &dyn Rival,
    name: &'static str,
    same: impl Fn(&Counts, &Counts) -> bool,
) -> Result<(), Difference> {
    for id in network.ids() {
        let (ours, theirs) = (&ours[id.index()], &rival.counts(id));
        if !same(ours, theirs) {
            let sum = |counts: &Counts| counts.iter().map(|&count| u64::from(count)).sum();
            return Err(Difference {
                population: network.population(id).name().to_owned(),
                sample,
                rival: name,
                ours: sum(ours),
                theirs: sum(theirs),
            });
        }
    }
    Ok(())
}

/// A population by itself.
struct Alone {
    population: PopulationId,
    simulator: WindowSimulator,
    /// The population in the network of its own.
    alone: PopulationId,
    sample: Sample,
}

/// Every population but the sources by itself, with the spikes that reach it in a sample.
fn alone_each(
    network: &Arc<Network>,
    simulator: &mut dyn Simulator,
    sample: &Sample,
    steps: u32,
) -> Result<Vec<Alone>, NetworkError> {
    let mut keeper = Keeper(vec![Raster::new(); network.populations().len()]);
    simulator.start(&sample.drive);
    simulator.run(sample, u64::from(steps), &mut keeper)?;
    let mut each = vec![];
    for id in network.ids().filter(|id| !matches!(network.population(*id).neuron(), Neuron::Source)) {
        let (network, sources) = alone(network, id, &sample.drive)?;
        let spikes = sources.iter().map(|&(original, copy)| (copy, keeper.0[original.index()].clone()));
        each.push(Alone {
            population: id,
            alone: network.output(),
            simulator: WindowSimulator::new(Arc::new(network)),
            sample: Sample { drive: Drive::none(), spikes: spikes.collect() },
        });
    }
    Ok(each)
}

/// A network of one population and sources in place of those that reach it, each with the id it had; constant
/// currents are made part of the biases. A population that reaches itself is among its sources.
///
/// Cost: O(neurons); weights are shared.
///
/// # Errors
/// If a bias and a constant current together are larger than a bias may be.
pub fn alone(
    network: &Network,
    id: PopulationId,
    drive: &Drive,
) -> Result<(Network, Vec<(PopulationId, PopulationId)>), NetworkError> {
    let mut builder = NetworkBuilder::new();
    let mut copies: HashMap<PopulationId, PopulationId> = HashMap::new();
    let mut sources = vec![];
    for projection in network.incoming(id) {
        let source = projection.source();
        copies.entry(source).or_insert_with(|| {
            let name = format!("source {}", sources.len());
            let copy = builder.population(name, network.population(source).layout(), Neuron::Source);
            sources.push((source, copy));
            copy
        });
    }
    let population = network.population(id);
    let n = population.size();
    let driven = |bias: &PerNeuron| match drive.of(id) {
        None => Ok(bias.clone()),
        Some(currents) => {
            let sums: Vec<f32> = bias.iter(n).zip(currents).map(|(bias, current)| bias + current).collect();
            PerNeuron::repeating(sums.into())
        }
    };
    let neuron = match population.neuron() {
        Neuron::Model(model) => model.with_bias(driven(model.parameters()[0])?),
        Neuron::Source | Neuron::MaxPool(_) => population.neuron().clone(),
    };
    let target = builder.population("target", population.layout(), neuron);
    for projection in network.incoming(id) {
        let source = copies[&projection.source()];
        builder.projection(source, target, projection.delay(), projection.connectivity().clone());
    }
    Ok((builder.build()?, sources))
}
