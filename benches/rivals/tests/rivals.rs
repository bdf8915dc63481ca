//! The rivals compute what the simulator computes: a faster wrong answer would be no rival.

use std::sync::Arc;
use std::time::Duration;

use snn_engine::random::{Plan, RandomNetwork};
use snn_engine::*;
use snn_rivals::{Dense, Rival, Scatter, Stepped, alone, counts, study};

fn recipe(plan: Plan, density: f64) -> RandomNetwork {
    RandomNetwork { plan, density, rate: 0.08, bias: 0.003, firing_output: true, seed: 5 }
}

fn networks() -> Vec<Arc<Network>> {
    let image = Plan::Convolution { source: [5, 7, 6], channels: 9, kernel: 3 };
    let recipes = [
        recipe(Plan::Layers(vec![150, 130, 70]), 0.2),
        recipe(Plan::Layers(vec![60, 50]), 1.0),
        recipe(image.clone(), 0.4),
        recipe(image, 1.0),
    ];
    recipes.iter().map(|recipe| Arc::new(recipe.make().unwrap().0)).collect()
}

/// Two sources, one of them one to one; reset to zero; a read-out with a bias.
fn branching() -> Arc<Network> {
    let same = |value| PerNeuron::same(value).unwrap();
    let mut builder = NetworkBuilder::new();
    let one = builder.population("one", Layout::Flat(20), Neuron::Source);
    let firing = Neuron::of(IntegrateFire {
        threshold: same(1.0),
        bias: same(0.01),
        start: same(0.5),
        reset: Reset::Zero,
    });
    let middle = builder.population("middle", Layout::Flat(20), firing.clone());
    let last = builder.population("last", Layout::Flat(20), firing);
    let output = builder.population("output", Layout::Flat(3), Neuron::of(Accumulator { bias: same(0.1) }));
    let rows = |width, seed| Connectivity::Rows(random::random_rows(20, width, 0.5, 0.7, seed).unwrap());
    builder.projection(one, middle, 0, rows(20, 1));
    builder.projection(middle, last, 0, Connectivity::OneToOne(OneToOne::new(20, same(0.4)).unwrap()));
    builder.projection(one, last, 0, rows(20, 2));
    builder.projection(last, output, 0, rows(3, 3));
    Arc::new(builder.build().unwrap())
}

fn samples(network: &Network, steps: u32) -> Vec<Sample> {
    let width = network.population(network.sources().next().unwrap()).size();
    let input = |rate, encoding| Input::values(network, vec![rate; width], encoding).unwrap();
    let poisson = input(0.08, Encoding::Poisson { seed: 1 }).sample(network, 0, steps).unwrap();
    let constant = input(0.03, Encoding::Constant).sample(network, 0, steps);
    // A constant current cannot reach the same neurons as spikes that must be given.
    [Some(poisson), constant.ok()].into_iter().flatten().collect()
}

#[test]
fn the_scatter_loop_gives_every_neuron_the_spikes_of_the_simulator_across_a_rebase() {
    for network in networks().into_iter().chain([branching()]) {
        let mut scatter = Scatter::new(Arc::clone(&network)).unwrap();
        let mut simulator = EventSimulator::new(Arc::clone(&network));
        for sample in samples(&network, 300) {
            let ours = counts(&mut simulator, &sample, 300).unwrap();
            assert!(ours.iter().flatten().sum::<u32>() > 100);
            // Twice: a run must leave nothing behind.
            for _ in 0..2 {
                scatter.load(&sample, 300);
                scatter.run();
                for id in network.ids() {
                    assert_eq!(scatter.counts(id), ours[id.index()], "population {id}");
                }
            }
        }
    }
}

/// Two populations that reach each other and themselves, with delays.
fn recurrent() -> Arc<Network> {
    let same = |value| PerNeuron::same(value).unwrap();
    let mut builder = NetworkBuilder::new();
    let input = builder.population("input", Layout::Flat(20), Neuron::Source);
    let firing = |reset| {
        let (threshold, bias) = (same(1.0), same(0.03));
        Neuron::of(IntegrateFire { threshold, bias, start: same(0.4), reset })
    };
    let one = builder.population("one", Layout::Flat(20), firing(Reset::Subtract));
    let two = builder.population("two", Layout::Flat(20), firing(Reset::Zero));
    let rows = |seed| Connectivity::Rows(random::random_rows(20, 20, 0.5, 0.5, seed).unwrap());
    builder.projection(input, one, 2, rows(1)).projection(one, one, 1, rows(2)).projection(
        one,
        two,
        0,
        rows(3),
    );
    builder.projection(two, one, 3, rows(4));
    Arc::new(builder.build().unwrap())
}

#[test]
fn the_plain_loop_gives_every_neuron_the_spikes_of_the_simulator_with_delays_and_cycles() {
    for network in networks().into_iter().chain([branching(), recurrent()]) {
        let mut plain = Stepped::new(Arc::clone(&network)).unwrap();
        let mut simulator = EventSimulator::new(Arc::clone(&network));
        for sample in samples(&network, 300) {
            let ours = counts(&mut simulator, &sample, 300).unwrap();
            assert!(ours.iter().flatten().sum::<u32>() > 100);
            // Twice: a run must leave nothing behind.
            for _ in 0..2 {
                plain.load(&sample, 300);
                plain.run();
                for id in network.ids() {
                    assert_eq!(plain.counts(id), ours[id.index()], "population {id}");
                }
            }
        }
    }
}

#[test]
fn the_dense_product_gives_each_population_the_spikes_of_the_simulator_up_to_rounding() {
    for network in networks().into_iter().chain([branching()]) {
        let mut dense = Dense::new(Arc::clone(&network), 300).unwrap();
        let mut simulator = EventSimulator::new(Arc::clone(&network));
        for sample in samples(&network, 300) {
            let ours = counts(&mut simulator, &sample, 300).unwrap();
            for _ in 0..2 {
                dense.load(&sample, 300);
                dense.run();
                for id in network.ids() {
                    let pairs = dense.counts(id).into_iter().zip(ours[id.index()].iter().copied());
                    let apart: u32 = pairs.map(|(theirs, ours)| theirs.abs_diff(ours)).sum();
                    let spikes: u32 = ours[id.index()].iter().sum();
                    assert!(apart <= 2 + spikes / 200, "population {id}: {apart} of {spikes} spikes differ");
                }
            }
        }
    }
}

#[test]
fn what_a_rival_does_not_run_is_left_out_with_the_reason() {
    let mut builder = NetworkBuilder::new();
    let source = builder.population("source", Layout::Flat(2), Neuron::Source);
    let pool = builder.population("pool", Layout::Flat(1), Neuron::MaxPool(MaxPool));
    let rows = SparseRows::from_dense(1, &[1.0, 1.0]).unwrap();
    builder.projection(source, pool, 0, Connectivity::Rows(Rows::Sparse(rows)));
    let network = Arc::new(builder.build().unwrap());
    let error = Scatter::new(Arc::clone(&network)).err().unwrap().to_string();
    assert!(error.contains("`pool`") && error.contains("max pooling"), "{error}");
    let input = Input::values(&network, vec![0.5; 2], Encoding::Poisson { seed: 1 }).unwrap();
    let study = study(&network, &input, 1, 16, Duration::from_millis(1)).unwrap();
    // Not its time: two neurons can take less than the clock of the processor can tell.
    assert!(study.dense.is_err() && study.scatter.is_err() && study.layers.runs() >= 3);

    let mut builder = NetworkBuilder::new();
    builder.population("source", Layout::Flat(40_000), Neuron::Source);
    builder.population("target", Layout::Flat(40_000), Neuron::Source);
    let network = Arc::new(builder.build().unwrap());
    let error = Dense::new(network, 1 << 16).err().unwrap().to_string();
    assert!(error.contains("GiB"), "{error}");
}

#[test]
fn a_population_by_itself_fires_as_it_does_in_the_network() {
    let network = branching();
    let sample = &samples(&network, 64)[0];
    let mut simulator = EventSimulator::new(Arc::clone(&network));
    let inside = counts(&mut simulator, sample, 64).unwrap();
    let middle = network.find("middle").unwrap();
    let (single, sources) = alone(&network, middle, &sample.drive).unwrap();
    let single = Arc::new(single);
    let spikes = vec![(sources[0].1, sample.spikes[0].1.clone())];
    let given = Sample { drive: Drive::none(), spikes };
    let outside = counts(&mut EventSimulator::new(Arc::clone(&single)), &given, 64).unwrap();
    assert_eq!(outside[single.output().index()], inside[middle.index()]);
}
