//! One evaluation gives, at every point, what a run of that length gives; and what it gives depends on nothing else.

use std::sync::Arc;

use proptest::prelude::*;
use snn_engine::*;
use snn_formats::Description;
use snn_research::{Evaluation, Plan, Stop, evaluate};

const SAMPLES: usize = 5;

/// Three populations behind the input, the middle one of valued spikes, one projection delayed; weights in (−1, 1).
fn network(seed: u64, firing_output: bool) -> Arc<Network> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut random = move || {
        // Marsaglia 2003, xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let same = |value| PerNeuron::same(value).unwrap();
    let fires = || {
        Neuron::of(IntegrateFire {
            threshold: same(1.0),
            bias: same(0.01),
            start: same(0.5),
            reset: Reset::Subtract,
        })
    };
    let valued = Neuron::of(Bipolar {
        threshold: same(0.3),
        bias: same(0.0),
        start: same(0.15),
        most: same(3.0),
        low: same(0.0),
        high: same(9.0),
        sign: Sign::Signed,
        arrives: BiasArrives::EveryStep,
    });
    let output = if firing_output { fires() } else { Neuron::of(Accumulator { bias: same(0.02) }) };
    let mut builder = NetworkBuilder::new();
    let sizes = [9, 12, 7, 4];
    let neurons = [Neuron::Source, fires(), valued, output];
    let mut before = None;
    for (place, (size, neuron)) in sizes.into_iter().zip(neurons).enumerate() {
        let id = builder.population(format!("layer{place}"), Layout::Flat(size), neuron);
        if let Some((source, rows)) = before {
            let table: Vec<f32> = (0..rows * size).map(|_| random()).collect();
            let weights = SparseRows::from_dense(size as usize, &table).unwrap();
            builder.projection(source, id, (place == 2).into(), Connectivity::Rows(Rows::Sparse(weights)));
        }
        before = Some((id, size));
    }
    Arc::new(builder.build().unwrap())
}

fn values(seed: u64) -> Vec<f32> {
    (0..SAMPLES * 9).map(|place| ((place as u64 * 37 + seed * 11) % 17) as f32 / 16.0).collect()
}

fn run(network: &Arc<Network>, input: &Input, plan: &Plan, mode: Mode, threads: usize) -> Evaluation {
    let simulator = AnySimulator::new(mode, network.clone());
    let done = || Ok::<_, NetworkError>(());
    evaluate(0..SAMPLES, threads, &simulator, &Description::default(), input, plan, done).unwrap()
}

fn plan(points: impl IntoIterator<Item = u32>) -> Plan {
    Plan {
        points: points.into_iter().collect(),
        read_out_from: 0,
        stops: vec![],
        membrane_updates: false,
        neuron_spikes: false,
    }
}

fn encodings() -> impl Strategy<Value = Encoding> {
    prop_oneof![
        Just(Encoding::Constant),
        Just(Encoding::Once),
        Just(Encoding::Regular),
        (0_u64..9).prop_map(|seed| Encoding::Poisson { seed }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_point_is_what_a_run_of_that_length_gives(
        seed in 0_u64..1000,
        firing_output: bool,
        encoding in encodings(),
        points in prop::collection::btree_set(1_u32..40, 1..6),
    ) {
        let network = network(seed, firing_output);
        let input = Input::values(&network, values(seed), encoding).unwrap();
        let evaluation = run(&network, &input, &plan(points.clone()), Mode::Auto, 1);
        for (point, &steps) in evaluation.points.iter().zip(&points) {
            let simulator = AnySimulator::new(Mode::Event, network.clone());
            let done = |_| Ok::<_, NetworkError>(());
            let outcomes = run_batch(0..SAMPLES, 1, &simulator, &input, steps, false, done).unwrap();
            let mut sums = Statistics::zero(&network);
            outcomes.iter().for_each(|outcome| sums += &outcome.statistics);
            prop_assert_eq!(point.steps, steps);
            prop_assert_eq!(&point.classes, &outcomes.iter().map(|outcome| outcome.class).collect::<Vec<_>>());
            prop_assert_eq!(&point.statistics, &sums);
        }
    }

    #[test]
    fn modes_threads_and_further_points_change_nothing(seed in 0_u64..1000, encoding in encodings()) {
        let network = network(seed, seed % 2 == 0);
        let input = Input::values(&network, values(seed), encoding).unwrap();
        let mut wanted = plan(1..=20);
        wanted.stops = vec![Stop::Margin(0.05), Stop::Quiet];
        wanted.membrane_updates = true;
        let found = run(&network, &input, &wanted, Mode::Event, 1);
        prop_assert_eq!(&found, &run(&network, &input, &wanted, Mode::Dense, 2));
        prop_assert_eq!(&found, &run(&network, &input, &wanted, Mode::Auto, 3));
        let last = run(&network, &input, &plan([20]), Mode::Auto, 2);
        prop_assert_eq!(last.last(), found.last());
        prop_assert_eq!(last.digests, found.digests);
    }

    #[test]
    fn digests_of_parts_add_up_and_tell_runs_apart(seed in 0_u64..1000, cut in 1..SAMPLES) {
        let network = network(seed, true);
        let input = Input::values(&network, values(seed), Encoding::Poisson { seed }).unwrap();
        let simulator = AnySimulator::new(Mode::Auto, network.clone());
        let part = |range| {
            let done = || Ok::<_, NetworkError>(());
            evaluate(range, 1, &simulator, &Description::default(), &input, &plan([30]), done).unwrap().digests
        };
        let whole = part(0..SAMPLES);
        let mut sum = part(cut..SAMPLES);
        sum.iter_mut().zip(part(0..cut)).for_each(|(sum, part)| sum.merge(&part));
        prop_assert_eq!(&whole, &sum);
        let other = Input::values(&network, values(seed), Encoding::Poisson { seed: seed + 1 }).unwrap();
        let other = run(&network, &other, &plan([30]), Mode::Auto, 1).digests;
        prop_assert_ne!(whole[0], other[0]);
    }

    #[test]
    fn a_sample_ends_at_the_first_point_at_which_its_rule_holds(seed in 0_u64..1000, margin in 0.0_f64..0.3) {
        // The potentials of a read-out after every step, from separate runs.
        let network = network(seed, false);
        let input = Input::values(&network, values(seed), Encoding::Constant).unwrap();
        let mut wanted = plan(1..=12);
        wanted.stops = vec![Stop::Margin(margin)];
        let found = run(&network, &input, &wanted, Mode::Auto, 1);
        for sample in 0..SAMPLES {
            let holds = |&steps: &u32| {
                let mut simulator = EventSimulator::new(network.clone());
                let mut potentials = run_sample(&mut simulator, &input, sample, steps, false).unwrap().potentials;
                potentials.sort_by(|a, b| b.total_cmp(a));
                (f64::from(potentials[0]) / f64::from(steps)) - (f64::from(potentials[1]) / f64::from(steps)) >= margin
            };
            let first = (1..=12).find(holds);
            prop_assert_eq!(found.stops[0].steps[sample], first.unwrap_or(12));
        }
        prop_assert!(found.stops[0].statistics.total().spikes <= found.last().statistics.total().spikes);
    }
}

#[test]
fn a_later_read_out_reads_only_what_comes_after_it() {
    // Two read-outs: the first is driven strongly once, the second weakly in every step.
    let mut builder = NetworkBuilder::new();
    let input = builder.population("input", Layout::Flat(2), Neuron::Source);
    let output = builder.population(
        "output",
        Layout::Flat(2),
        Neuron::of(Accumulator { bias: PerNeuron::same(0.0).unwrap() }),
    );
    let weights = SparseRows::from_dense(2, &[10.0, 0.0, 0.0, 1.0]).unwrap();
    builder.projection(input, output, 0, Connectivity::Rows(Rows::Sparse(weights)));
    let network = Arc::new(builder.build().unwrap());
    let flags = [true, true, false, true, false, true, false, true];
    let input = Input::spikes(&network, flags.to_vec(), 4).unwrap();
    let simulator = AnySimulator::new(Mode::Auto, network.clone());
    let classes = |read_out_from| {
        let plan = Plan {
            points: vec![4],
            read_out_from,
            stops: vec![],
            membrane_updates: false,
            neuron_spikes: false,
        };
        let done = || Ok::<_, NetworkError>(());
        evaluate(0..1, 1, &simulator, &Description::default(), &input, &plan, done)
            .unwrap()
            .last()
            .classes
            .clone()
    };
    assert_eq!(classes(0), [0], "10 against 4");
    assert_eq!(classes(1), [1], "0 against 3");
}

#[test]
fn values_beyond_one_are_multiplied_and_all_others_added() {
    // One spike of value 3 over two weights in step 0, two of ±1 over three in step 1, and a delay past the end in step 2.
    let mut builder = NetworkBuilder::new();
    let input = builder.population("input", Layout::Flat(2), Neuron::Source);
    let output = builder.population(
        "output",
        Layout::Flat(2),
        Neuron::of(Accumulator { bias: PerNeuron::same(0.0).unwrap() }),
    );
    let weights =
        || Connectivity::Rows(Rows::Sparse(SparseRows::from_dense(2, &[1.0, 2.0, 0.0, 1.0]).unwrap()));
    builder.projection(input, output, 0, weights());
    builder.projection(input, output, 1, weights());
    let network = Arc::new(builder.build().unwrap());
    let input = Input::valued(&network, vec![3, 0, -1, 1, 0, 5], 3).unwrap();
    let evaluation = run_one(&network, &input, 3);
    // Without delay 2 + 1, with it 2.
    assert_eq!(evaluation.graded_operations[1], 5);
    // Without delay 2 + 3 + 1, with it 2 + 3.
    assert_eq!(evaluation.last().statistics.total().synaptic_operations, 11);
}

fn run_one(network: &Arc<Network>, input: &Input, steps: u32) -> Evaluation {
    let simulator = AnySimulator::new(Mode::Auto, network.clone());
    let done = || Ok::<_, NetworkError>(());
    evaluate(0..1, 1, &simulator, &Description::default(), input, &plan([steps]), done).unwrap()
}
