//! How active the neurons of a network are on samples.

use crate::fit::drive;
use crate::wanted::{RunEnd, Wanted};
use snn_engine::{
    Network, Neuron, Observer, PopulationId, Sample, Simulator, SpikeSlice, WindowSimulator, default_threads,
    run_samples,
};
use std::sync::Arc;

/// Samples that are run at most.
pub(crate) const SAMPLES: usize = 128;

/// Samples that are held at once.
const BLOCK: usize = 16;

/// The steps in which a network that settles is expected to.
const LONGEST: u64 = 4096;

/// What a neuron sends, over samples: of spiking neurons their rate, of the input its values. Where input and biases arrive
/// once it is the total of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Mean {
    pub mean: f64,
    pub square: f64,
}

/// How active every neuron is.
pub(crate) struct Activity {
    populations: Vec<Vec<Mean>>,
}

/// Counts the values of spikes.
struct Counts(Vec<Vec<i64>>);

impl Observer for Counts {
    fn spikes(&mut self, population: PopulationId, _: u64, spikes: SpikeSlice<'_>) {
        let counts = &mut self.0[population.index()];
        for (neuron, value) in spikes.iter() {
            counts[neuron as usize] += i64::from(value);
        }
    }
}

impl Activity {
    /// All equally active, and as much up as down: nothing is known.
    pub fn unknown(network: &Network) -> Self {
        let of = |n: usize| vec![Mean { mean: 0.0, square: 1.0 }; n];
        Self { populations: network.populations().iter().map(|population| of(population.size())).collect() }
    }

    /// Of runs of `steps` steps with the samples `chosen` of `raw` as constant input; until nothing happens any more where input and
    /// biases arrive once.
    pub fn of_runs(
        wanted: Wanted<'_>,
        network: &Network,
        raw: &[f32],
        chosen: &[usize],
        steps: u32,
    ) -> Result<Self, RunEnd> {
        let network = Arc::new(network.clone());
        let simulator = WindowSimulator::new(Arc::clone(&network));
        let empty = || network.populations().iter().map(|population| vec![0; population.size()]).collect();
        let mut populations: Vec<Vec<Mean>> =
            network.populations().iter().map(|population| vec![Mean::default(); population.size()]).collect();
        let once = arrives_once(&network);
        let per = if once { 1.0 } else { f64::from(steps) };
        for block in chosen.chunks(BLOCK) {
            let runs = run_samples(0..block.len(), default_threads(), &simulator, |simulator, at| {
                wanted.check()?;
                let drive = drive(&network, raw, block[at])?;
                let drive = if once { drive.once() } else { drive };
                let sample = Sample { drive, spikes: vec![] };
                simulator.start(&sample.drive);
                let mut counts = Counts(empty());
                if once {
                    simulator.run_until_quiet(&sample, LONGEST, &mut counts)?;
                } else {
                    simulator.run(&sample, u64::from(steps), &mut counts)?;
                }
                Ok::<_, RunEnd>(counts)
            })?;
            for (Counts(counts), &sample) in runs.iter().zip(block) {
                for (id, means) in network.ids().zip(&mut populations) {
                    let population = network.population(id);
                    let n = means.len();
                    for (neuron, mean) in means.iter_mut().enumerate() {
                        let sent = match population.neuron() {
                            Neuron::Source => {
                                f64::from(raw[sample * n + population.layout().user_index(neuron)])
                            }
                            // Counts are far below 2^53.
                            _ => counts[id.index()][neuron] as f64 / per,
                        };
                        mean.mean += sent / chosen.len() as f64;
                        mean.square += sent * sent / chosen.len() as f64;
                    }
                }
            }
        }
        Ok(Self { populations })
    }

    /// Of one population, neuron by neuron.
    pub fn of(&self, id: PopulationId) -> &[Mean] {
        &self.populations[id.index()]
    }
}

/// Whether biases arrive once, and so does the input then: the network settles.
fn arrives_once(network: &Network) -> bool {
    network
        .populations()
        .iter()
        .any(|population| population.neuron().model().is_some_and(|model| model.bias_arrives_once()))
}
