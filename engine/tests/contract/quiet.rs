//! When a network comes to rest, and what it has settled to then.

use std::sync::Arc;

use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use snn_engine::*;

use crate::judge::{hold, seeds};
use crate::simulators::simulators;

/// Steps after which a random network is given up.
const LIMIT: u64 = 700;

#[test]
fn every_simulator_is_quiet_after_the_same_step_and_nothing_happens_from_then_on() {
    let quiet = hold(seeds().step_by(4), |case| {
        let mut rested = 0;
        for sample in &case.samples {
            let mut dense = DenseSimulator::new(Arc::clone(&case.network));
            dense.start(&sample.drive);
            // By the definition: the first state that is quiet, once the sample has no more spikes.
            let given = sample.spikes.iter().map(|(_, raster)| {
                let spiking = (0..raster.steps()).filter(|&step| !raster.step(step).is_empty());
                spiking.max().map_or(0, |step| step as u64 + 1)
            });
            let given = given.max().unwrap_or(0);
            let mut expected = None;
            for step in 0..=LIMIT {
                if step >= given && dense.state().is_quiet(&case.network, &sample.drive) {
                    expected = Some(step);
                    break;
                }
                if step < LIMIT {
                    dense.step(&sample.stimulus(&case.network, step as usize).unwrap());
                }
            }
            let (state, statistics) = (dense.state(), dense.statistics().clone());
            for (name, simulator) in &mut simulators(&case.network) {
                simulator.start(&sample.drive);
                let found = simulator.run_until_quiet(sample, LIMIT, &mut ()).unwrap();
                assert_eq!(found, expected, "{name}");
                assert_eq!(simulator.now(), expected.unwrap_or(LIMIT), "{name}");
                assert_eq!(state.first_difference(&simulator.state()), None, "{name}");
                assert_eq!(*simulator.statistics(), statistics, "{name}");
                assert_eq!(simulator.is_quiet(), state.is_quiet(&case.network, &sample.drive), "{name}");
            }
            // Nothing is emitted after that, across re-bases, and before it there was something to wait for.
            if let Some(step) = expected {
                rested += 1;
                for _ in 0..600 {
                    assert_eq!(dense.step(&Stimulus::none()).total(), 0, "a spike after {step} quiet steps");
                }
                // Steps that are passed over leave the same state.
                let mut event = EventSimulator::new(Arc::clone(&case.network));
                event.start(&sample.drive);
                event.run(sample, step + 600, &mut ()).unwrap();
                assert_eq!(dense.state().first_difference(&event.state()), None);
                assert_eq!(dense.statistics(), event.statistics());
            }
        }
        rested
    });
    assert!(quiet > seeds().count() as u64 / 20, "only {quiet} samples came to rest");
}

/// A network of settling neurons whose numbers are all whole, and what it must settle to.
struct Settling {
    network: Arc<Network>,
    sample: Sample,
    /// Of every population but the input its expected counts.
    expected: Vec<Vec<i64>>,
}

/// A layer as it is drawn.
struct Layer {
    pool: bool,
    theta: Vec<i64>,
    levels: Vec<i64>,
    bias: Vec<i64>,
    most: f32,
}

fn settling(seed: u64) -> Settling {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let inputs = rng.random_range(1..30_usize);
    let x: Vec<i64> = (0..inputs).map(|_| rng.random_range(-3..=9)).collect();
    // Any power of two leaves all sums exact.
    let scale = [1.0, 0.125, 32.0][rng.random_range(0..3)];
    let layers: Vec<Layer> = (0..rng.random_range(1..=5))
        .map(|at| {
            let n = rng.random_range(1..40);
            let mut draw =
                |low: i64, high: i64| (0..n).map(|_| rng.random_range(low..=high)).collect::<Vec<_>>();
            let (theta, levels, bias) =
                (draw(1, 12).iter().map(|t| 2 * t).collect(), draw(1, 16), draw(-9, 9));
            let most = [1.0, 3.0, 4096.0][rng.random_range(0..3)];
            Layer { pool: at > 0 && rng.random_bool(0.2), theta, levels, bias, most }
        })
        .collect();
    let mut builder = NetworkBuilder::new();
    let input = builder.population("input", Layout::Flat(inputs as u32), Neuron::Source);
    let same = |value| PerNeuron::same(value).unwrap();
    let scaled = |values: &[i64], by: f32| {
        PerNeuron::repeating(values.iter().map(|&value| value as f32 * by).collect::<Vec<_>>().into())
            .unwrap()
    };
    let mut ids = vec![input];
    for (at, layer) in layers.iter().enumerate() {
        let neuron = if layer.pool {
            Neuron::MaxPool(MaxPool)
        } else {
            Neuron::of(Bipolar {
                threshold: scaled(&layer.theta, scale),
                bias: scaled(&layer.bias, scale),
                start: scaled(&layer.theta, scale / 2.0),
                most: same(layer.most),
                low: same(0.0),
                high: scaled(&layer.levels, 1.0),
                sign: Sign::Signed,
                arrives: BiasArrives::Once,
            })
        };
        let size = layer.theta.len() as u32;
        ids.push(builder.population(format!("layer{at}"), Layout::Flat(size), neuron));
    }
    // Every layer is reached by the one before it and perhaps by earlier ones, the input only without a delay.
    let mut projections = vec![];
    for (at, layer) in layers.iter().enumerate() {
        for from in 0..=at {
            let is_input = from == 0;
            if from < at && !rng.random_bool(0.4) || layer.pool && is_input {
                continue;
            }
            let (sources, targets) =
                (if is_input { inputs } else { layers[from - 1].theta.len() }, layer.theta.len());
            let table: Vec<i64> = (0..sources * targets)
                .map(|_| match rng.random_bool(0.5) {
                    true if layer.pool => 1,
                    true => rng.random_range(-3..=4),
                    false => 0,
                })
                .collect();
            let delay = if is_input { 0 } else { rng.random_range(0..3) };
            projections.push((from, at + 1, delay, table));
        }
    }
    let mut counts: Vec<Vec<i64>> = vec![x.clone()];
    for (at, layer) in layers.iter().enumerate() {
        let targets = layer.theta.len();
        let into = || projections.iter().filter(|(_, to, ..)| *to == at + 1);
        counts.push(
            (0..targets)
                .map(|target| {
                    let reached = into().flat_map(|(from, _, _, table)| {
                        let column = table.iter().skip(target).step_by(targets).copied();
                        column.zip(counts[*from].iter().copied()).filter(|(weight, _)| *weight != 0)
                    });
                    if layer.pool {
                        return reached.map(|(_, count)| count).max().unwrap_or(0);
                    }
                    let total =
                        layer.bias[target] + reached.map(|(weight, count)| weight * count).sum::<i64>();
                    // clip(⌊Σ/θ + ½⌋, 0, L)
                    let theta = layer.theta[target];
                    (2 * total + theta).div_euclid(2 * theta).clamp(0, layer.levels[target])
                })
                .collect(),
        );
    }
    // The order in which projections are declared must not matter.
    projections.shuffle(&mut rng);
    for (from, to, delay, table) in projections {
        let targets = layers[to - 1].theta.len();
        let by = if layers[to - 1].pool { 1.0 } else { scale };
        let table: Vec<f32> = table.iter().map(|&weight| weight as f32 * by).collect();
        let rows = if rng.random_bool(0.5) {
            Rows::Sparse(SparseRows::from_dense(targets, &table).unwrap())
        } else {
            Rows::Dense(DenseRows::new(targets, table.into()).unwrap())
        };
        builder.projection(ids[from], ids[to], delay, Connectivity::Rows(rows));
    }
    let network = Arc::new(builder.build().unwrap());
    let x: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    // The biases arrive once in any case; the input as a current, or as spikes with values.
    let sample = if rng.random_bool(0.5) {
        Sample { drive: Drive::constant(&network, input, &x).unwrap(), spikes: vec![] }
    } else {
        let mut raster = Raster::new();
        // In pieces, some of which are taken back.
        let first: Vec<i32> = x.iter().map(|_| rng.random_range(-4..=4)).collect();
        for step in [first.clone(), x.iter().zip(&first).map(|(x, first)| *x as i32 - first).collect()] {
            let spikes = (0_u32..).zip(step).filter(|(_, value)| *value != 0);
            let (neurons, values): (Vec<u32>, Vec<i32>) = spikes.unzip();
            raster.push(SpikeSlice::new(&neurons, &values).unwrap());
            raster.push_step(&[]);
        }
        Sample { drive: Drive::none(), spikes: vec![(input, raster)] }
    };
    Settling { network, sample, expected: counts.split_off(1) }
}

#[test]
fn settling_neurons_end_at_the_rounded_value_whatever_the_order_of_events() {
    let mut spikes = 0;
    let mut taken_back = false;
    for seed in seeds().step_by(2) {
        let Settling { network, sample, expected } = settling(seed);
        let mut all = simulators(&network);
        for threads in 2..=3 {
            for delivery in Delivery::ALL {
                let windows =
                    WindowSimulator::with_kernels(Arc::clone(&network), kernel::best(), Some(delivery));
                let windows = windows.with_threads_from(threads, 0.0);
                all.push((format!("{delivery:?}, {threads} threads"), Box::new(windows)));
            }
        }
        let mut quiet_after = None;
        for (name, simulator) in &mut all {
            let what = format!("seed {seed}, {name}");
            simulator.start(&sample.drive);
            let quiet = simulator.run_until_quiet(&sample, 1_000_000, &mut ()).unwrap();
            assert!(quiet.is_some() && *quiet_after.get_or_insert(quiet) == quiet, "{what}: {quiet:?}");
            let state = simulator.state();
            for (id, expected) in network.ids().skip(1).zip(&expected) {
                let population = &state.populations[id.index()];
                match population.counts.first() {
                    Some(counts) => {
                        let counts: Vec<i64> = counts.iter().map(|&count| i64::from(count)).collect();
                        assert_eq!(counts, *expected, "{what}, population {id}");
                    }
                    // A pool's own count is the largest of its inputs.
                    None => assert_eq!(pooled(&network, id, &population.arrived), *expected, "{what}"),
                }
            }
            // Where values of both signs were emitted, their magnitudes are more than their sum.
            let of_layers = &simulator.statistics().populations[1..];
            let magnitude: u64 = of_layers.iter().map(|layer| layer.magnitude).sum();
            spikes += of_layers.iter().map(|layer| layer.spikes).sum::<u64>();
            taken_back |= magnitude > expected.iter().flatten().sum::<i64>().unsigned_abs();
        }
    }
    assert!(spikes > 0 && taken_back, "{spikes} spikes");
}

/// The largest count among the inputs of each unit of a pool.
fn pooled(network: &Network, pool: PopulationId, arrived: &[i64]) -> Vec<i64> {
    let mut largest = vec![None; network.population(pool).size()];
    let mut first = 0;
    for projection in network.incoming(pool) {
        for source in 0..projection.connectivity().sources() {
            projection.connectivity().fan_out(source, |unit, _| {
                largest[unit] = largest[unit].max(Some(arrived[first + source]));
            });
        }
        first += projection.connectivity().sources();
    }
    largest.into_iter().map(|largest| largest.unwrap_or(0)).collect()
}

#[test]
fn a_neuron_that_waits_for_its_bias_or_keeps_a_residual_is_not_quiet() {
    let same = |value| PerNeuron::same(value).unwrap();
    let network = |bias: f32, start: f32| {
        let mut builder = NetworkBuilder::new();
        builder.population("source", Layout::Flat(1), Neuron::Source);
        let neuron = IntegrateFire {
            threshold: same(1.0),
            bias: same(bias),
            start: same(start),
            reset: Reset::Subtract,
        };
        builder.population("layer", Layout::Flat(20), Neuron::of(neuron));
        Arc::new(builder.build().unwrap())
    };
    // Quiet from the beginning; after two residual spikes; held down by its bias; never, as its bias will carry it over.
    for (bias, start, expected) in
        [(0.0, 0.5, Some(0)), (0.0, 2.5, Some(2)), (-0.25, 1.2, Some(0)), (1e-6, 0.0, None)]
    {
        let network = network(bias, start);
        for (name, simulator) in &mut simulators(&network) {
            simulator.start(&Drive::none());
            let quiet = simulator.run_until_quiet(&Sample::default(), 300, &mut ()).unwrap();
            assert_eq!(quiet, expected, "{name}, bias {bias}, start {start}");
        }
    }
}
