//! Cases small enough to follow with pencil and paper, each run by every simulator.

use std::sync::Arc;

use snn_engine::*;

use crate::simulators::simulators;

fn same(value: f32) -> PerNeuron {
    PerNeuron::same(value).unwrap()
}

fn neuron(threshold: f32, bias: f32, start: f32, reset: Reset) -> Neuron {
    Neuron::of(IntegrateFire { threshold: same(threshold), bias: same(bias), start: same(start), reset })
}

/// One neuron behind one input, with a weight and a delay.
fn one_neuron(neuron: Neuron, weight: f32, delay: u32) -> Arc<Network> {
    let mut builder = NetworkBuilder::new();
    let input = builder.population("input", Layout::Flat(1), Neuron::Source);
    let layer = builder.population("layer", Layout::Flat(1), neuron);
    let rows = Rows::Sparse(SparseRows::from_dense(1, &[weight]).unwrap());
    builder.projection(input, layer, delay, Connectivity::Rows(rows));
    Arc::new(builder.build().unwrap())
}

/// The steps at which the last population's neuron 0 fires, and its potential after each step, when the
/// input fires at `input`.
fn run(network: &Arc<Network>, input: &[u64], steps: u64) -> (Vec<u64>, Vec<f32>) {
    let mut results = simulators(network).into_iter().map(|(name, mut simulator)| {
        let source = network.sources().next().unwrap();
        let (mut fired, mut potentials) = (vec![], vec![]);
        for step in 0..steps {
            let given: &[u32] = if input.contains(&step) { &[0] } else { &[] };
            let spikes = simulator.step(&Stimulus::new(network, &[(source, given)]).unwrap());
            if spikes.of(network.output()).contains(&0) {
                fired.push(step);
            }
            potentials.extend(simulator.potentials(network.output()).first());
        }
        (name, (fired, potentials))
    });
    let (_, first) = results.next().unwrap();
    for (name, result) in results {
        assert_eq!(result, first, "{name}");
    }
    first
}

#[test]
fn a_neuron_fires_at_exactly_the_threshold() {
    let network = one_neuron(neuron(1.0, 0.0, 0.0, Reset::Subtract), 0.5, 0);
    assert_eq!(run(&network, &[0, 3], 5), (vec![3], vec![0.5, 0.5, 0.5, 0.0, 0.0]));
}

#[test]
fn what_exceeds_the_threshold_stays_and_fires_in_the_next_steps_without_input() {
    let network = one_neuron(neuron(1.0, 0.0, 0.0, Reset::Subtract), 3.5, 0);
    assert_eq!(run(&network, &[1], 6), (vec![1, 2, 3], vec![0.0, 2.5, 1.5, 0.5, 0.5, 0.5]));
}

#[test]
fn reset_to_zero_loses_what_exceeds_the_threshold() {
    let network = one_neuron(neuron(1.0, 0.0, 0.0, Reset::Zero), 3.5, 0);
    assert_eq!(run(&network, &[1], 4), (vec![1], vec![0.0, 0.0, 0.0, 0.0]));
}

#[test]
fn an_initial_potential_above_the_threshold_fires_without_input() {
    let network = one_neuron(neuron(1.0, 0.0, 2.25, Reset::Subtract), 1.0, 0);
    assert_eq!(run(&network, &[], 4), (vec![0, 1], vec![1.25, 0.25, 0.25, 0.25]));
}

#[test]
fn a_bias_alone_carries_the_neuron_over_the_threshold() {
    let network = one_neuron(neuron(1.0, 0.25, 0.0, Reset::Subtract), 1.0, 0);
    assert_eq!(run(&network, &[], 9).0, [3, 7]);
}

#[test]
fn a_bias_that_needs_more_steps_than_a_ramp_has_crosses_after_re_bases() {
    // 600 steps of 1/512 stay below 1.5; the 768th reaches it.
    let network = one_neuron(neuron(1.5, 1.0 / 512.0, 0.0, Reset::Subtract), 1.0, 0);
    assert_eq!(run(&network, &[], 800).0, [767]);
}

#[test]
fn a_negative_bias_holds_back_what_an_input_would_make_fire() {
    let network = one_neuron(neuron(1.0, -0.25, 0.0, Reset::Subtract), 1.0, 0);
    // At step 3 the bias has taken 1 and the input given 2: exactly the threshold.
    assert_eq!(run(&network, &[2, 3, 4], 6), (vec![3], vec![-0.25, -0.5, 0.25, 0.0, 0.75, 0.5]));
}

#[test]
fn a_delayed_spike_arrives_that_many_steps_later() {
    let network = one_neuron(neuron(1.0, 0.0, 0.0, Reset::Subtract), 1.0, 3);
    assert_eq!(run(&network, &[0, 1, 4], 8).0, [3, 4, 7]);
}

#[test]
fn a_read_out_integrates_and_never_fires() {
    let network = one_neuron(Neuron::of(Accumulator { bias: same(-0.5) }), 2.0, 0);
    assert_eq!(run(&network, &[0, 1], 3), (vec![], vec![1.5, 3.0, 2.5]));
}

#[test]
fn a_neuron_that_excites_itself_keeps_firing() {
    let mut builder = NetworkBuilder::new();
    let input = builder.population("input", Layout::Flat(1), Neuron::Source);
    let layer = builder.population("layer", Layout::Flat(1), neuron(1.0, 0.0, 0.0, Reset::Subtract));
    let one = Connectivity::OneToOne(OneToOne::new(1, same(1.0)).unwrap());
    builder.projection(input, layer, 0, one.clone()).projection(layer, layer, 2, one);
    assert_eq!(run(&Arc::new(builder.build().unwrap()), &[1], 8).0, [1, 3, 5, 7]);
}

/// Two inputs that alternate, each at rate ½, into one max-pool unit.
#[test]
fn a_max_pool_unit_has_the_largest_rate_of_its_inputs_not_the_rate_of_any_input() {
    let mut builder = NetworkBuilder::new();
    let input = builder.population("input", Layout::Flat(2), Neuron::Source);
    let pool = builder.population("pool", Layout::Flat(1), Neuron::MaxPool(MaxPool));
    let rows = Rows::Sparse(SparseRows::from_dense(1, &[1.0, 1.0]).unwrap());
    builder.projection(input, pool, 0, Connectivity::Rows(rows));
    let network = Arc::new(builder.build().unwrap());
    for (name, mut simulator) in simulators(&network) {
        let fired: Vec<u64> = (0..8)
            .filter(|step| {
                let given: &[u32] = if step % 2 == 0 { &[0] } else { &[1] };
                let spikes = simulator.step(&Stimulus::new(&network, &[(input, given)]).unwrap());
                !spikes.of(pool).is_empty()
            })
            .collect();
        assert_eq!(fired, [0, 2, 4, 6], "{name}");
    }
}

#[test]
fn an_image_is_channels_last_inside_and_channels_first_outside() {
    let layout = Layout::Image { channels: 2, height: 2, width: 3 };
    // Neuron 7 is pixel 3 (row 1, column 0), channel 1; channels first that is place 1·6 + 3.
    assert_eq!(layout.user_index(7), 9);
    for neuron in 0..12 {
        assert_eq!(layout.neuron_at(layout.user_index(neuron)), neuron);
    }
}

#[test]
fn a_convolution_reaches_the_targets_that_see_the_source_through_a_tap() {
    // One channel, 3 × 3 taps with weights 1 … 9, padding 1, over a 3 × 3 image.
    let geometry = Conv2dGeometry {
        source: [3, 3, 1],
        target: [3, 3, 1],
        pool: [1, 1],
        kernel: [3, 3],
        stride: [1, 1],
        dilation: [1, 1],
        padding: [1, 1],
        groups: 1,
    };
    let taps: Vec<f32> = (1..=9).map(|tap| tap as f32).collect();
    let rows = Rows::Dense(DenseRows::new(1, taps.into()).unwrap());
    let conv = Connectivity::Conv2d(Conv2d::new(geometry, rows).unwrap());
    // The middle pixel is seen by target (0, 0) through its last tap and by (2, 2) through its first.
    let weights: Vec<Option<f32>> = (0..9).map(|target| conv.weight(4, target)).collect();
    let expected = [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0].map(Some);
    assert_eq!(weights, expected);
    // A corner is seen by four targets only: padding carries no synapse.
    assert_eq!(conv.synapses_of(0), 4);
    assert_eq!(conv.synapses(), 4 * 4 + 4 * 6 + 9);
}

mod refused {
    use super::*;

    fn two_layers(connect: impl FnOnce(&mut NetworkBuilder, [PopulationId; 3])) -> String {
        let mut builder = NetworkBuilder::new();
        let ids = [
            builder.population("input", Layout::Flat(2), Neuron::Source),
            builder.population("a", Layout::Flat(2), neuron(1.0, 0.0, 0.0, Reset::Subtract)),
            builder.population("b", Layout::Flat(2), neuron(1.0, 0.0, 0.0, Reset::Subtract)),
        ];
        connect(&mut builder, ids);
        builder.build().unwrap_err().to_string()
    }

    fn pairs() -> Connectivity {
        Connectivity::OneToOne(OneToOne::new(2, same(1.0)).unwrap())
    }

    #[test]
    fn a_cycle_without_delay_is_refused_by_the_names_of_its_populations() {
        let error = two_layers(|builder, [_, a, b]| {
            builder.projection(a, b, 0, pairs()).projection(b, a, 0, pairs());
        });
        assert!(error.contains(r#"["a", "b"]"#) && error.contains("delay of at least 1"), "{error}");
    }

    #[test]
    fn a_projection_of_the_wrong_size_is_refused() {
        let error = two_layers(|builder, [input, a, _]| {
            let rows = Rows::Sparse(SparseRows::from_dense(3, &[1.0; 6]).unwrap());
            builder.projection(input, a, 0, Connectivity::Rows(rows));
        });
        assert!(error.contains("`input` -> `a`") && error.contains("2 with 3"), "{error}");
    }

    #[test]
    fn a_projection_into_a_source_is_refused() {
        let error = two_layers(|builder, [input, a, _]| {
            builder.projection(a, input, 0, pairs());
        });
        assert!(error.contains("ends at a source"), "{error}");
    }

    #[test]
    fn a_name_that_is_used_twice_is_refused() {
        let error = two_layers(|builder, _| {
            builder.population("a", Layout::Flat(1), Neuron::Source);
        });
        assert!(error.contains("`a` is declared twice"), "{error}");
    }

    #[test]
    fn numbers_that_are_not_finite_or_too_large_are_refused_by_their_place() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 2e19] {
            let error = PerNeuron::repeating(vec![0.0, bad].into()).unwrap_err().to_string();
            assert!(error.contains("value[1]"), "{error}");
            let error = SparseRows::from_dense(2, &[1.0, bad]).unwrap_err().to_string();
            assert!(error.contains("weight[1]"), "{error}");
            let error = DenseRows::new(2, vec![1.0, bad].into()).unwrap_err().to_string();
            assert!(error.contains("weight[1]"), "{error}");
        }
    }

    #[test]
    fn a_threshold_that_is_not_above_zero_is_refused() {
        for bad in [0.0, -0.0, -1.0] {
            let mut builder = NetworkBuilder::new();
            builder.population("a", Layout::Flat(1), neuron(bad, 0.0, 0.0, Reset::Subtract));
            let error = builder.build().unwrap_err().to_string();
            assert!(error.contains("threshold[0]") && error.contains("above 0"), "{error}");
        }
    }

    #[test]
    fn rows_that_are_not_canonical_are_refused() {
        let rows = |starts: Vec<u64>, columns: Vec<u32>, weights: Vec<f32>| {
            SparseRows::from_columns(3, starts, columns, weights).unwrap_err().to_string()
        };
        assert!(rows(vec![0, 2], vec![1, 1], vec![1.0, 2.0]).contains("strictly ascending"), "duplicate");
        assert!(rows(vec![0, 2], vec![2, 1], vec![1.0, 2.0]).contains("strictly ascending"), "unsorted");
        assert!(rows(vec![0, 1], vec![3], vec![1.0]).contains("below 3"), "out of range");
        assert!(rows(vec![0, 1], vec![70_000], vec![1.0]).contains("below 3"), "far out of range");
        assert!(rows(vec![0, 2], vec![1], vec![1.0]).contains("row starts"), "too long");
        assert!(rows(vec![0, 1, 0, 1], vec![1], vec![1.0]).contains("ends before"), "descending");
        assert!(rows(vec![0, 1], vec![1], vec![0.0]).contains("no synapse"), "zero");
    }

    #[test]
    fn spikes_out_of_order_or_out_of_range_are_refused() {
        let network = one_neuron(neuron(1.0, 0.0, 0.0, Reset::Subtract), 1.0, 0);
        let (input, layer) = (network.find("input").unwrap(), network.find("layer").unwrap());
        for (id, neurons, why) in
            [(input, &[1][..], "below 1"), (input, &[0, 0], "ascending"), (layer, &[1], "below 1")]
        {
            let error = Stimulus::new(&network, &[(id, neurons)]).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let twice = Stimulus::new(&network, &[(input, &[0]), (input, &[])]).unwrap_err().to_string();
        assert!(twice.contains("given twice"), "{twice}");
    }

    #[test]
    fn a_sample_has_spikes_of_sources_only_in_every_simulator() {
        let network = one_neuron(neuron(1.0, 0.0, 0.0, Reset::Subtract), 1.0, 0);
        let layer = network.find("layer").unwrap();
        let mut raster = Raster::new();
        raster.push_step(&[0]);
        let sample = Sample { drive: Drive::none(), spikes: vec![(layer, raster)] };
        assert!(sample.check(&network).unwrap_err().to_string().contains("sources"));
        for (name, mut simulator) in simulators(&network) {
            let error = simulator.run(&sample, 1, &mut ()).unwrap_err().to_string();
            assert!(error.contains("sources") && error.contains("step 0"), "{name}: {error}");
        }
    }

    #[test]
    fn a_state_of_another_network_is_refused_and_changes_nothing() {
        let network = one_neuron(neuron(1.0, 0.0, 0.0, Reset::Subtract), 1.0, 2);
        let other = one_neuron(neuron(1.0, 0.0, 0.0, Reset::Subtract), 1.0, 1);
        let mut bad = State::initial(&network);
        bad.populations[1].potentials[0] = f32::NAN;
        for (_, mut simulator) in simulators(&network) {
            simulator.step(&Stimulus::none());
            let before = simulator.state();
            for state in [&State::initial(&other), &bad] {
                assert!(simulator.restore(state).is_err());
                assert_eq!(simulator.state(), before);
            }
        }
    }
}
