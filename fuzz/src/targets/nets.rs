//! Spiking networks and where their runs stand: `net.bin`, the simulators on it, and saved states.

use std::sync::{Arc, LazyLock};

use snn_engine::{
    AnySimulator, Drive, Memory, Mode, Network, PopulationId, Raster, Sample, Simulator, State, Until,
    divergence_at_end, first_divergence,
};
use snn_formats::NetFile;

use super::arrays::origin;
use crate::mutate::Random;
use crate::seeds::nets::networks;

/// Bytes that a simulator of a network may say it takes; networks that want more are read and not run.
const RUN: u64 = 40 << 20;

/// Synapses of a network that is run.
const SYNAPSES: u64 = 1 << 16;

/// A `net.bin`, with what is told of it: its memory, synapses, layouts and description.
pub fn net_bin(bytes: &[u8]) -> bool {
    let Ok(file) = NetFile::parse(bytes, &origin()) else { return false };
    let network = &file.network;
    for mode in [Mode::Auto, Mode::Event, Mode::Dense] {
        assert!(Memory::of(mode, network, 256).of_simulators(1) > 0);
    }
    for projection in network.projections() {
        let connectivity = projection.connectivity();
        let _ = (connectivity.synapses(), connectivity.stored_weights(), connectivity.dense_operations());
    }
    let _ = file.description.note_on_run(3, Some(snn_formats::Arrives::EveryStep));
    let _ = file.description.note_on_input(&[0.0, 255.0]);
    true
}

/// A `net.bin`; if it is accepted and not too large, the dense, the event-driven and the windowed simulator on it, equal
/// by bits after every step. Accepted is what was run.
pub fn simulators(bytes: &[u8]) -> bool {
    let Ok(file) = NetFile::parse(bytes, &origin()) else { return false };
    let network = Arc::new(file.network);
    let modes = [Mode::Auto, Mode::Event, Mode::Dense];
    if modes.iter().any(|&mode| Memory::of(mode, &network, u64::from(STEPS)).of_simulators(1) > RUN)
        || Memory::synapses(&network) > SYNAPSES
    {
        return false;
    }
    drop(file.sections);
    equal(&network, &sample(&network, &mut Random::of(crc32fast::hash(bytes))));
    true
}

/// Steps of a run.
const STEPS: u32 = 10;

/// Spikes for every source and, for a single one, sometimes currents.
fn sample(network: &Network, random: &mut Random) -> Sample {
    let sources: Vec<PopulationId> = network.sources().collect();
    let mut sample = Sample::default();
    for &source in &sources {
        let mut raster = Raster::new();
        for _ in 0..STEPS {
            let often = random.below(4) + 1;
            let size = network.population(source).size().min(4096);
            let fired = (0..size).filter(|_| random.below(often) == 0);
            // Below 4096.
            raster.push_step(&fired.map(|neuron| neuron as u32).collect::<Vec<_>>());
        }
        sample.spikes.push((source, raster));
    }
    if let [source] = sources[..]
        && random.below(2) == 0
    {
        let x: Vec<f32> =
            (0..network.population(source).size()).map(|_| random.below(5) as f32 / 4.0).collect();
        if let Ok(drive) = Drive::constant(network, source, &x) {
            sample =
                Sample { drive: if random.below(3) == 0 { drive.once() } else { drive }, spikes: vec![] };
        }
    }
    sample
}

fn equal(network: &Arc<Network>, sample: &Sample) {
    let simulator = |mode| AnySimulator::new(mode, Arc::clone(network));
    let (mut dense, mut event, mut windows) =
        (simulator(Mode::Dense), simulator(Mode::Event), simulator(Mode::Auto));
    let until = Until::Steps(STEPS);
    match first_divergence(dense.get(), event.get(), sample, until) {
        Ok(divergence) => assert_eq!(divergence, None, "dense and event-driven"),
        Err(error) => panic!("a sample made for the network: {error}"),
    }
    match divergence_at_end(dense.get(), windows.get(), sample, until) {
        Ok(divergence) => assert_eq!(divergence, None, "dense and windowed"),
        Err(error) => panic!("a sample made for the network: {error}"),
    }
    // From the last step before a re-base on, as far as there is one.
    let mut state = dense.get().state();
    state.step = 254;
    resumed(network, &state, sample, [dense.get(), event.get(), windows.get()]);
}

/// Three simulators from one state on, three steps and then a piece; all take it or none does.
fn resumed(network: &Network, state: &State, sample: &Sample, simulators: [&mut dyn Simulator; 3]) {
    let [dense, event, windows] = simulators;
    for simulator in [&mut *dense, &mut *event, &mut *windows] {
        simulator.start(&sample.drive);
    }
    let taken = [dense.restore(state), event.restore(state), windows.restore(state)];
    assert!(
        taken.iter().all(Result::is_ok) == state.check(network).is_ok()
            && taken.iter().all(|one| one.is_ok() == taken[0].is_ok()),
        "{taken:?}"
    );
    if taken[0].is_err() {
        return;
    }
    for step in 0..4 {
        let quiet = [dense.is_quiet(), event.is_quiet(), windows.is_quiet()];
        assert!(quiet[0] == quiet[1] && quiet[0] == quiet[2], "quiet after {step} steps: {quiet:?}");
        let stimulus = sample.stimulus(network, step).expect("a stimulus made for the network");
        dense.step(&stimulus);
        event.step(&stimulus);
        windows.step(&stimulus);
        let state = dense.state();
        assert_eq!(state.first_difference(&event.state()), None, "event-driven, {step} steps on");
        assert_eq!(state.first_difference(&windows.state()), None, "windowed, {step} steps on");
    }
}

/// The networks that states are tried on, each with its simulators.
static NETWORKS: LazyLock<Vec<Arc<Network>>> =
    LazyLock::new(|| networks().into_iter().map(|(_, network)| Arc::new(network)).collect());

/// A saved state. What fits one of the networks is gone on from by all three simulators.
pub fn state(bytes: &[u8]) -> bool {
    let Ok(state) = State::from_bytes(bytes) else { return false };
    let again = State::from_bytes(&state.to_bytes());
    assert_eq!(again.as_ref(), Ok(&state), "from its own bytes");
    let fits = |network: &&Arc<Network>| state.check(network).is_ok();
    let Some(network) = NETWORKS.iter().find(fits) else { return false };
    let sample = sample(network, &mut Random::of(crc32fast::hash(bytes)));
    let simulator = |mode| AnySimulator::new(mode, Arc::clone(network));
    let (mut dense, mut event, mut windows) =
        (simulator(Mode::Dense), simulator(Mode::Event), simulator(Mode::Auto));
    resumed(network, &state, &sample, [dense.get(), event.get(), windows.get()]);
    true
}
