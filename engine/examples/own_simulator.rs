//! A simulator of one's own, outside the engine: a plain loop over all pairs of neurons, which batches run and which equals
//! the engine's bit for bit. It stands for whatever has other hardware under it.

use std::sync::Arc;

use snn_engine::*;

/// Runs networks of integrate-and-fire neurons, reset by subtraction, and read-outs.
#[derive(Clone)]
pub struct Plain {
    network: Arc<Network>,
    drive: Drive,
    state: State,
    spikes: Spikes,
    statistics: Statistics,
    shown: Vec<f32>,
}

impl Plain {
    /// A simulator at step 0, if the network has no other neurons.
    #[must_use]
    pub fn new(network: Arc<Network>) -> Option<Self> {
        let known = |population: &Population| match population.neuron() {
            Neuron::Source => true,
            Neuron::Model(model) => {
                let unit = model.as_model::<IntegrateFire>();
                model.as_model::<Accumulator>().is_some()
                    || unit.is_some_and(|one| one.reset == Reset::Subtract)
            }
            Neuron::MaxPool(_) => false,
        };
        network.populations().iter().all(known).then(|| Self {
            drive: Drive::none(),
            state: State::initial(&network),
            spikes: Spikes::none(network.populations().len()),
            statistics: Statistics::zero(&network),
            shown: vec![],
            network,
        })
    }

    /// Bias plus constant current of a neuron, and whether it arrives once.
    fn driven(&self, id: PopulationId, neuron: usize) -> f32 {
        let bias = self.network.population(id).neuron().bias().map_or(0.0, |bias| bias.get(neuron));
        self.drive.of(id).map_or(bias, |currents| bias + currents[neuron])
    }

    /// The bias of every step.
    fn bias(&self, id: PopulationId, neuron: usize) -> f32 {
        if self.drive.arrives_once() { 0.0 } else { self.driven(id, neuron) }
    }

    /// One step of a population (sentences 2 to 4 of the contract): its spikes.
    fn integrate(&mut self, id: PopulationId, now: &[SpikeList], stimulus: &Stimulus) -> SpikeList {
        let network = Arc::clone(&self.network);
        let (population, step) = (network.population(id), self.state.step);
        let mut currents: Vec<Option<f32>> = vec![None; population.size()];
        if self.drive.arrives_once() && step == 0 {
            for (neuron, current) in currents.iter_mut().enumerate() {
                *current = Some(self.driven(id, neuron)).filter(|current| *current != 0.0);
            }
        }
        for (neuron, given) in stimulus.currents(id) {
            let current = &mut currents[neuron as usize];
            *current = Some(current.unwrap_or(0.0) + given);
        }
        for projection in network.incoming(id) {
            let source = projection.source().index();
            let arriving = match projection.delay() as usize {
                0 => &now[source],
                // The latest stand last.
                delay => {
                    let under_way = &self.state.populations[source].under_way;
                    &under_way[under_way.len() - delay]
                }
            };
            for (spiking, value) in arriving.as_slice().iter() {
                for (target, current) in currents.iter_mut().enumerate() {
                    if let Some(weight) = projection.connectivity().weight(spiking as usize, target) {
                        *current = Some(current.unwrap_or(0.0) + weight * value as f32);
                        self.statistics.populations[id.index()].synaptic_operations += 1;
                    }
                }
            }
        }
        let k = (step % u64::from(REBASE) + 1) as f32;
        let mut fired = vec![];
        for (neuron, current) in currents.into_iter().enumerate() {
            let ramp = self.bias(id, neuron) * k;
            let u = &mut self.state.populations[id.index()].potentials[neuron];
            *u += current.unwrap_or(0.0);
            let unit = population.neuron().as_model::<IntegrateFire>();
            let threshold = unit.map_or(f32::INFINITY, |unit| unit.threshold.get(neuron));
            let fires = *u + ramp >= threshold;
            if fires {
                *u -= threshold;
                fired.push(neuron as u32);
            }
            self.statistics.populations[id.index()].updates += u64::from(fires || current.is_some());
        }
        fired.into()
    }

    /// Spikes with those that are given in place of the neurons' own.
    fn with_given(own: &SpikeList, given: SpikeSlice<'_>) -> SpikeList {
        let mut all: std::collections::BTreeMap<u32, i32> = own.as_slice().iter().collect();
        all.extend(given.iter());
        let (neurons, values): (Vec<u32>, Vec<i32>) = all.into_iter().unzip();
        SpikeSlice::new(&neurons, &values).expect("values that were checked").into()
    }
}

impl Simulator for Plain {
    fn network(&self) -> &Arc<Network> {
        &self.network
    }

    fn start(&mut self, drive: &Drive) {
        self.drive = drive.clone();
        self.reset();
    }

    fn reset(&mut self) {
        self.state = State::initial(&self.network);
        self.statistics = Statistics::zero(&self.network);
    }

    fn step(&mut self, stimulus: &Stimulus) -> &Spikes {
        let network = Arc::clone(&self.network);
        if self.state.step > 0 && self.state.step.is_multiple_of(u64::from(REBASE)) {
            for id in network.ids() {
                for neuron in 0..self.state.populations[id.index()].potentials.len() {
                    let ramp = self.bias(id, neuron) * REBASE as f32;
                    self.state.populations[id.index()].potentials[neuron] += ramp;
                }
            }
        }
        let mut now = vec![SpikeList::new(); network.populations().len()];
        for &id in network.update_order() {
            let own = match network.population(id).neuron().model() {
                Some(_) => self.integrate(id, &now, stimulus),
                None => SpikeList::new(),
            };
            let spikes = Self::with_given(&own, stimulus.spikes(id));
            let statistics = &mut self.statistics.populations[id.index()];
            statistics.spikes += spikes.len() as u64;
            statistics.magnitude += spikes.as_slice().magnitude();
            now[id.index()] = spikes;
        }
        for (population, spikes) in self.state.populations.iter_mut().zip(&now) {
            if !population.under_way.is_empty() {
                population.under_way.remove(0);
                population.under_way.push(spikes.clone());
            }
        }
        self.state.step += 1;
        self.statistics.steps += 1;
        self.spikes = now.into();
        &self.spikes
    }

    fn state(&self) -> State {
        self.state.clone()
    }

    fn is_quiet(&mut self) -> bool {
        self.state.is_quiet(&self.network, &self.drive)
    }

    fn now(&self) -> u64 {
        self.state.step
    }

    fn restore(&mut self, state: &State) -> Result<(), NetworkError> {
        state.check(&self.network)?;
        self.state = state.clone();
        Ok(())
    }

    fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    fn potentials(&mut self, population: PopulationId) -> &[f32] {
        self.shown = self.state.potentials(&self.network, population, &self.drive);
        &self.shown
    }
}

/// That is all: batches run it.
impl BatchSimulator for Plain {}

/// Runs it; every assertion holds.
pub fn main() -> Result<(), NetworkError> {
    let recipe = random::RandomNetwork {
        plan: random::Plan::Layers(vec![20, 30, 10]),
        density: 0.3,
        rate: 0.2,
        bias: 0.01,
        firing_output: false,
        seed: 3,
    };
    let network = Arc::new(recipe.make()?.0);
    let Some(mut plain) = Plain::new(Arc::clone(&network)) else {
        panic!("a random network has integrate-and-fire neurons and a read-out")
    };
    let x: Vec<f32> = (0..8 * 20_u8).map(|at| f32::from(at % 11) * 0.05).collect();
    for encoding in [Encoding::Poisson { seed: 1 }, Encoding::Constant, Encoding::Once] {
        let input = Input::values(&network, x.clone(), encoding)?;
        // After every step, by bits.
        let sample = input.sample(&network, 0, 300)?;
        let mut windows = WindowSimulator::new(Arc::clone(&network));
        assert_eq!(first_divergence(&mut plain, &mut windows, &sample, 300)?, None);
        // A batch over two threads.
        let ended = |_| Ok::<_, NetworkError>(());
        let own = run_batch(0..8, 2, &plain, &input, 300, true, ended)?;
        assert_eq!(own, run_batch(0..8, 2, &windows, &input, 300, true, ended)?);
        let spikes: u64 = own.iter().map(|outcome| outcome.statistics.total().spikes).sum();
        println!("{encoding:?}: {spikes} spikes in 8 samples, as the engine's");
    }
    Ok(())
}
