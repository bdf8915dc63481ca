//! Whole-number weights and lattices: the same bits whatever weights are stored as, and exact sums in any order.

use std::sync::Arc;

use snn_engine::*;

use crate::case::Built;
use crate::judge::{hold, seeds};
use crate::simulators::{parting, reference, simulators};

/// A network with the weights of its tables changed.
fn with_weights(network: &Network, change: impl Fn(&Weights) -> Option<Weights>) -> Network {
    let rows = |rows: &Rows| match rows {
        Rows::Sparse(of) => {
            let weights = change(of.weights()).unwrap_or_else(|| of.weights().clone());
            let changed =
                SparseRows::new(rows.width(), of.row_starts().clone(), of.targets().clone(), weights);
            // What has become zero is no synapse; the table is left as it is then.
            Rows::Sparse(changed.unwrap_or_else(|_| of.clone()))
        }
        Rows::Dense(of) => {
            let weights = change(of.weights()).unwrap_or_else(|| of.weights().clone());
            Rows::Dense(DenseRows::new(rows.width(), weights).unwrap())
        }
    };
    let mut builder = NetworkBuilder::new();
    for population in network.populations() {
        builder.population(population.name(), population.layout(), population.neuron().clone());
    }
    for projection in network.projections() {
        let connectivity = match projection.connectivity() {
            Connectivity::Rows(of) => Connectivity::Rows(rows(of)),
            Connectivity::Conv2d(conv) => {
                Connectivity::Conv2d(Conv2d::new(*conv.geometry(), rows(conv.rows())).unwrap())
            }
            one @ Connectivity::OneToOne(_) => one.clone(),
        };
        builder.projection(projection.source(), projection.target(), projection.delay(), connectivity);
    }
    builder.build().unwrap()
}

fn as_f32(network: &Network) -> Network {
    with_weights(network, |weights| Some(Weights::F32(weights.to_f32())))
}

fn has_whole_weights(network: &Network) -> bool {
    network.projections().iter().any(|one| {
        one.connectivity().weight_type() != WeightType::F32 && one.connectivity().stored_weights() > 0
    })
}

/// The same case over another network.
fn with_network(built: &Built, network: Network) -> Built {
    let (samples, outside) = (built.samples.clone(), built.outside.clone());
    Built { network: Arc::new(network), samples, outside, ..*built }
}

/// Whether a network parts from the reference of another with the same populations and synapses.
fn parts(built: &Built, other: Network) -> bool {
    let other = with_network(built, other);
    let mut simulator = EventSimulator::new(Arc::clone(&other.network));
    built.samples.iter().any(|sample| {
        let of_other: Vec<Vec<u32>> =
            reference(&other, sample).states.iter().map(|state| bits(&other, state)).collect();
        let own: Vec<Vec<u32>> =
            reference(built, sample).states.iter().map(|state| bits(built, state)).collect();
        let event = parting(&other, sample, &reference(&other, sample), &mut simulator);
        assert_eq!(event, None);
        own != of_other
    })
}

fn bits(built: &Built, state: &State) -> Vec<u32> {
    let of = |id: PopulationId| state.potentials(&built.network, id, &Drive::none());
    let with_potential =
        built.network.ids().filter(|&id| built.network.population(id).neuron().has_potential());
    with_potential.flat_map(of).map(|potential| potential.to_bits()).collect()
}

#[test]
fn a_network_has_the_same_bits_in_every_simulator_whatever_its_weights_are_stored_as() {
    let spikes = hold(seeds(), |case| {
        if !has_whole_weights(&case.network) {
            return 0;
        }
        let wide = with_network(case, as_f32(&case.network));
        let mut all = simulators(&case.network);
        let mut spikes = 0;
        for sample in &case.samples {
            let reference = reference(&wide, sample);
            spikes += reference.statistics.total().spikes;
            for (name, simulator) in &mut all {
                assert_eq!(parting(case, sample, &reference, simulator.as_mut()), None, "{name}");
            }
        }
        spikes
    });
    let networks = seeds().end - seeds().start;
    assert!(networks < 100 || spikes > 10 * networks, "only {spikes} spikes");
}

/// What a faulty reader makes of weights.
type Misread = fn(&Weights) -> Option<Weights>;

/// The halves of every byte exchanged: the second number before the first.
fn nibbles_swapped(weights: &Weights) -> Option<Weights> {
    let Weights::Int4(nibbles) = weights else { return None };
    let bytes: Vec<u8> = nibbles.bytes().iter().map(|byte| byte.rotate_left(4)).collect();
    let whole = weights.len() / 2 * 2;
    let swapped = Weights::Int4(Nibbles::new(bytes[..whole / 2].to_vec().into(), whole).unwrap());
    let mut numbers: Vec<i32> = swapped.to_f32().iter().map(|&weight| weight as i32).collect();
    numbers.extend((whole..weights.len()).map(|at| weights.get(at) as i32));
    Some(Weights::of_whole(WeightType::Int4, &numbers).unwrap())
}

/// Bytes taken for numbers without a sign.
fn sign_lost(weights: &Weights) -> Option<Weights> {
    let modulus = match weights.weight_type() {
        WeightType::F32 => return None,
        WeightType::Int16 => 65_536.0,
        WeightType::Int8 => 256.0,
        WeightType::Int4 => 16.0,
    };
    let unsigned = |&weight: &f32| if weight < 0.0 { weight + modulus } else { weight };
    Some(Weights::F32(weights.to_f32().iter().map(unsigned).collect::<Vec<_>>().into()))
}

/// Weights read from one place too far on.
fn shifted(weights: &Weights) -> Option<Weights> {
    if weights.weight_type() == WeightType::F32 || weights.is_empty() {
        return None;
    }
    let mut numbers = weights.to_f32().to_vec();
    numbers.rotate_left(1);
    Some(Weights::F32(numbers.into()))
}

#[test]
fn readers_that_swap_halves_lose_signs_or_miss_a_place_are_rejected() {
    let cases = || seeds().map(crate::draw::case).filter_map(|case| case.build().ok());
    let wrong: [(&str, Misread); 3] =
        [("halves swapped", nibbles_swapped), ("sign lost", sign_lost), ("a place missed", shifted)];
    for (name, change) in wrong {
        assert!(
            cases().take(500).any(|built| parts(&built, with_weights(&built.network, change))),
            "{name} passes"
        );
    }
    // Nothing wrong, in as many networks.
    for built in cases().take(100) {
        assert!(!parts(&built, as_f32(&built.network)), "seed {}", built.seed);
    }
}

/// The largest magnitude of what sources are given.
const MOST: u64 = 7;

/// Whether every potential is proven to be on its lattice for the whole run, in which no currents are given.
fn proven(built: &Built, sample: &Sample) -> bool {
    let network = &built.network;
    let given = sample.spikes.iter().flat_map(|(_, raster)| raster.values());
    assert!(given.map(|value| u64::from(value.unsigned_abs())).all(|value| value <= MOST));
    let with_potential = |id: &PopulationId| network.population(*id).neuron().has_potential();
    network.ids().all(|id| sample.drive.of(id).is_none())
        && network
            .ids()
            .filter(with_potential)
            .all(|id| network.lattice(id).is_some_and(|lattice| lattice.steps() / MOST >= built.steps))
}

#[test]
fn potentials_of_a_lattice_are_whole_multiples_of_its_unit_after_every_step_of_every_simulator() {
    let checked = hold(seeds(), |case| {
        let mut checked = 0;
        for sample in case.samples.iter().filter(|sample| proven(case, sample)) {
            for (name, simulator) in &mut simulators(&case.network) {
                simulator.start(&sample.drive);
                for step in 0..case.steps as usize {
                    simulator.step(&sample.stimulus(&case.network, step).unwrap());
                    for id in case.network.ids() {
                        let Some(lattice) = case.network.lattice(id) else { continue };
                        for potential in simulator.potentials(id) {
                            let units = f64::from(*potential) / f64::from(lattice.unit());
                            assert!(
                                units.fract() == 0.0 && units.abs() <= f64::from(1 << 24),
                                "{name}, step {step}, population {id}: {units} units of 2^{}",
                                lattice.exponent()
                            );
                            checked += u64::from(units != 0.0);
                        }
                    }
                }
            }
        }
        checked
    });
    let networks = seeds().end - seeds().start;
    assert!(networks < 100 || checked > 1_000 * networks, "only {checked} potentials");
}

/// The same network with its projections declared in the opposite order.
fn reversed(network: &Network) -> Network {
    let mut builder = NetworkBuilder::new();
    for population in network.populations() {
        builder.population(population.name(), population.layout(), population.neuron().clone());
    }
    for projection in network.projections().iter().rev() {
        let connectivity = projection.connectivity().clone();
        builder.projection(projection.source(), projection.target(), projection.delay(), connectivity);
    }
    builder.build().unwrap()
}

#[test]
fn on_lattices_the_order_in_which_contributions_are_added_changes_no_bit_and_elsewhere_it_does() {
    let (mut exact, mut rounded) = (0, 0);
    for built in seeds().map(crate::draw::case).filter_map(|case| case.build().ok()) {
        let (on, off): (Vec<Sample>, Vec<Sample>) =
            built.samples.iter().cloned().partition(|sample| proven(&built, sample));
        let on = Built { network: Arc::clone(&built.network), samples: on, ..built };
        assert!(!parts(&on, reversed(&on.network)), "seed {}: the order of the projections shows", on.seed);
        exact += u64::from(on.network.projections().len() > 1 && !on.samples.is_empty());
        let off = Built { samples: off, ..on };
        rounded += u64::from(parts(&off, reversed(&off.network)));
    }
    let networks = seeds().end - seeds().start;
    assert!(networks < 500 || exact > networks / 50 && rounded > 0, "{exact} exact, {rounded} changed");
}
