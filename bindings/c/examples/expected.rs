//! What `drive.c` and `ring.cpp` are to print, by the engine itself: `expected drive net.bin`, `expected ring`.

use std::sync::Arc;

use snn_engine::{
    AnySimulator, BuiltIn, Connectivity, Encoding, EventSimulator, Input, Layout, Mode, Network,
    NetworkBuilder, NetworkError, Neuron, Observer, OneToOne, PerNeuron, PopulationId, Rows, Sample,
    Simulator, SparseRows, SpikeSlice, Stimulus, run_batch,
};
use snn_formats::Source;

fn drive(path: &str) -> Result<(), Box<dyn std::error::Error>> {
    let network = Arc::new(snn_formats::read_net(path, Source::BySize)?);
    let input = network.sources().next().ok_or("there is no source")?;
    let (inputs, output) = (network.population(input).size(), network.output());
    let mut simulator = EventSimulator::new(Arc::clone(&network));
    for step in 0..40_u32 {
        let fired = (0..u32::try_from(inputs)?).filter(|neuron| (neuron * 7 + step * 13) % 11 == 0);
        let fired: Vec<u32> = fired.collect();
        let mut stimulus = Stimulus::none();
        stimulus.set_spikes(&network, input, SpikeSlice::unit(&fired))?;
        if step % 5 == 3 {
            let outputs = u16::try_from(network.population(output).size())?;
            let currents: Vec<f32> = (0..outputs).map(|neuron| f32::from(neuron) * 0.125 - 0.5).collect();
            stimulus.set_currents(&network, output, &currents)?;
        }
        let spikes = simulator.step(&stimulus);
        for id in network.ids() {
            for (neuron, value) in spikes.with_values(id).iter() {
                println!("{step} {} {neuron} {value}", id.index());
            }
        }
    }
    for (neuron, potential) in simulator.potentials(output).iter().enumerate() {
        println!("potential {neuron} {:08x}", potential.to_bits());
    }
    Ok(())
}

fn ring() -> Result<Network, NetworkError> {
    const N: usize = 20;
    let same = PerNeuron::same;
    let mut builder = NetworkBuilder::new();
    let input = builder.population("input", Layout::Flat(4), Neuron::Source);
    let leaky = BuiltIn::find("leaky")?;
    let leaky = leaky.named([("leak", same(0.75)?), ("refractory", same(2.0)?)], [("reset", "to")])?;
    let ring = builder.population("ring", Layout::Flat(20), leaky);
    let counter = BuiltIn::find("integrate-and-fire")?.named([("threshold", same(2.0)?)], [])?;
    let counter = builder.population("counter", Layout::Flat(20), counter);
    let rows = |table: &[f32]| Ok(Connectivity::Rows(Rows::Sparse(SparseRows::from_dense(N, table)?)));
    let places: Vec<f32> = (0..4 * N).map(|at| if at % N % 4 == at / N { 0.5 } else { 0.0 }).collect();
    builder.projection(input, ring, 0, rows(&places)?);
    let right: Vec<f32> = (0..N * N).map(|at| if at % N == at / N + 1 { 1.0 } else { 0.0 }).collect();
    builder.projection(ring, ring, 1, rows(&right)?);
    builder.projection(ring, counter, 0, Connectivity::OneToOne(OneToOne::new(N, same(1.0)?)?));
    builder.build()
}

/// Adds spikes up.
struct Counter(Vec<Vec<i64>>);

impl Observer for Counter {
    fn spikes(&mut self, population: PopulationId, _: u64, spikes: SpikeSlice<'_>) {
        spikes
            .iter()
            .for_each(|(neuron, value)| self.0[population.index()][neuron as usize] += i64::from(value));
    }
}

fn run_ring() -> Result<(), NetworkError> {
    let network = Arc::new(ring()?);
    let id = |name| network.find(name).ok_or_else(|| NetworkError::new(name, "is not there"));
    let (on, counter) = (id("ring")?, id("counter")?);
    let mut simulator = EventSimulator::new(Arc::clone(&network));
    let mut counts =
        Counter(network.populations().iter().map(|population| vec![0; population.size()]).collect());
    for first in [0, 10, 4] {
        let spikes = simulator.step(&Stimulus::new(&network, &[(on, &[first])])?).clone();
        network.ids().for_each(|id| counts.spikes(id, 0, spikes.with_values(id)));
        let quiet = simulator.run_until_quiet(&Sample::default(), 1000, &mut counts)?;
        println!("quiet {} after {}", i32::from(quiet.is_some()), simulator.now());
    }
    for id in [on, counter] {
        let told: Vec<String> = counts.0[id.index()].iter().map(i64::to_string).collect();
        let operations = simulator.statistics().of(id).synaptic_operations;
        println!("counts of {}: {}; {operations} operations", id.index(), told.join(" "));
    }
    let rates = (0..24_u8).map(|at| f32::from(at % 9) / 8.0).collect();
    let input = Input::values(&network, rates, Encoding::Regular)?;
    let simulator = AnySimulator::new(Mode::Dense, Arc::clone(&network));
    let outcomes = run_batch(0..6, 1, &simulator, &input, 50, false, |_| Ok::<(), NetworkError>(()))?;
    for (sample, outcome) in outcomes.iter().enumerate() {
        let told: Vec<String> = outcome.counts.iter().map(i64::to_string).collect();
        println!("sample {sample}: neuron {} of {}", outcome.class, told.join(" "));
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["drive", path] => drive(path),
        ["ring"] => Ok(run_ring()?),
        _ => Err("usage: expected drive net.bin | expected ring".into()),
    }
}
