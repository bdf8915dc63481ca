use super::*;
use crate::input::{Encoding, Input};
use crate::network::connectivity::{Rows, Targets};
use crate::run::run_sample;
use crate::simulator::Simulator;

fn layers(sizes: &[u32], density: f64, rate: f64) -> RandomNetwork {
    let plan = Plan::Layers(sizes.to_vec());
    RandomNetwork { plan, density, rate, bias: 0.0, firing_output: false, seed: 1 }
}

#[test]
fn the_weights_of_a_seed_never_change() {
    // Studies are cited with their seed, so these may never change. The values are from a program of their own.
    let Rows::Sparse(rows) = random_rows(3, 20, 0.2, 0.5, 7).unwrap() else { panic!("0.2 is sparse") };
    let Targets::U16(ids) = rows.targets() else { panic!("20 columns fit 16 bits") };
    assert_eq!(rows.row_starts()[..], [0, 5, 10, 14]);
    assert_eq!(ids[..], [0, 5, 12, 17, 19, 4, 5, 11, 16, 18, 0, 2, 12, 19]);
    assert_eq!(rows.weights().to_f32()[..4], [0.198_653_49, -0.164_063_13, -0.122_318_12, -0.237_029_7]);
    let Rows::Dense(rows) = random_rows(2, 2, 1.0, 0.5, 7).unwrap() else { panic!("1 is dense") };
    assert_eq!(rows.weights().to_f32()[..], [0.329_822_1, 0.198_653_49, -0.148_446_77, 0.333_491_06]);
}

#[test]
fn the_density_is_what_was_asked_for_within_five_standard_errors() {
    for density in [0.003, 0.1, 0.5, 0.97] {
        let rows = random_rows(500, 700, density, 1.0, 3).unwrap();
        let places = 500.0 * 700.0;
        let deviation =
            (rows.synapses() as f64 - places * density) / (places * density * (1.0 - density)).sqrt();
        assert!(deviation.abs() < 5.0, "density {density}: {deviation} standard errors off");
    }
}

#[test]
fn weights_lie_within_the_gain_and_average_to_zero() {
    for density in [0.5, 1.0] {
        let rows = random_rows(300, 300, density, 0.25, 11).unwrap();
        let (mut sum, mut squares) = (0.0, 0.0);
        for row in 0..300 {
            rows.fan_out(row, |_, weight| {
                assert!(weight != 0.0 && weight.abs() < 0.25, "{weight}");
                sum += f64::from(weight);
                squares += f64::from(weight) * f64::from(weight);
            });
        }
        let n = rows.synapses() as f64;
        assert!((sum / squares.sqrt()).abs() < 5.0, "mean {}", sum / n);
        // A uniform distribution has a third of the square of its half-width.
        assert!((squares / n / (0.25 * 0.25 / 3.0) - 1.0).abs() < 0.05);
    }
}

#[test]
fn wide_rows_have_32_bit_columns() {
    let Rows::Sparse(rows) = random_rows(2, 70_000, 0.01, 1.0, 1).unwrap() else { panic!("0.01 is sparse") };
    assert!(matches!(rows.targets(), Targets::U32(_)));
    assert!(rows.targets().get(rows.range(0).end - 1) > 60_000);
}

#[test]
fn every_population_fires_at_about_the_rate_asked_for_with_spikes_that_were_not_fitted_to() {
    for (sizes, density, rate) in [
        (&[784, 600, 600, 10][..], 0.1, 0.04),
        (&[300, 300, 10], 1.0, 0.2),
        (&[400, 500, 10], 0.05, 0.005),
        (&[1200, 1200, 10], 0.02, 0.001),
    ] {
        let (network, fitted) = layers(sizes, density, rate).make().unwrap();
        let network = Arc::new(network);
        let x = vec![rate as f32; sizes[0] as usize * 8];
        let input = Input::values(&network, x, Encoding::Poisson { seed: 99 }).unwrap();
        let mut simulator = EventSimulator::new(Arc::clone(&network));
        let mut spikes = vec![0; sizes.len()];
        for sample in 0..8 {
            let outcome = run_sample(&mut simulator, &input, sample, FITTED_STEPS, false).unwrap();
            for (sum, population) in spikes.iter_mut().zip(&outcome.statistics.populations) {
                *sum += population.spikes;
            }
        }
        for at in 1..sizes.len() - 1 {
            let reached = spikes[at] as f64 / (f64::from(sizes[at]) * 8.0 * f64::from(FITTED_STEPS));
            assert!(
                (reached / rate - 1.0).abs() < 0.2,
                "{sizes:?}, rate {rate}: layer {at} fires at {reached}"
            );
            let told = fitted[at].rate.unwrap();
            assert!((told / rate - 1.0).abs() < 0.1, "{sizes:?}, rate {rate}: told is {told}");
        }
        assert_eq!(fitted.last().unwrap().rate, None);
    }
}

#[test]
fn a_convolution_shares_its_weights_and_fires_at_the_rate() {
    let plan = Plan::Convolution { source: [8, 12, 10], channels: 16, kernel: 3 };
    let recipe = RandomNetwork { plan, density: 0.3, rate: 0.05, bias: 0.0, firing_output: true, seed: 2 };
    let (network, fitted) = recipe.make().unwrap();
    assert_eq!(network.population(network.output()).layout().shape(), [16, 12, 10]);
    assert!((250..=440).contains(&fitted[1].weights), "{}", fitted[1].weights);
    let rate = fitted[1].rate.unwrap();
    assert!((rate / 0.05 - 1.0).abs() < 0.1, "{rate}");
}

#[test]
fn a_recipe_gives_the_same_network_again_and_another_seed_another() {
    let recipe = layers(&[50, 40, 5], 0.3, 0.1);
    let one = recipe.make().unwrap();
    let weights = |network: &Network| -> Vec<Option<f32>> {
        let connectivity = network.projections()[0].connectivity();
        (0..50 * 40).map(|place| connectivity.weight(place / 40, place % 40)).collect()
    };
    let two = recipe.make().unwrap();
    assert_eq!((weights(&one.0), one.1), (weights(&two.0), two.1));
    let other = RandomNetwork { seed: 2, ..recipe }.make().unwrap();
    assert_ne!(weights(&one.0), weights(&other.0));
}

#[test]
fn a_bias_is_part_of_what_is_fitted() {
    for bias in [-0.01, 0.01] {
        let recipe = RandomNetwork { bias, firing_output: true, ..layers(&[400, 400], 0.1, 0.05) };
        let (network, fitted) = recipe.make().unwrap();
        assert!((fitted[1].rate.unwrap() / 0.05 - 1.0).abs() < 0.1, "{fitted:?}");
        let Some(neuron) = network.population(network.output()).neuron().as_model::<IntegrateFire>() else {
            panic!("the output was to fire")
        };
        assert_eq!(neuron.bias.get(0), bias);
    }
}

#[test]
fn what_cannot_be_made_is_refused_with_the_reason() {
    let recipe = layers(&[50, 40, 5], 0.3, 0.1);
    let refused: [(RandomNetwork, &str); 9] = [
        (RandomNetwork { density: 0.0, ..recipe.clone() }, "density"),
        (RandomNetwork { density: f64::NAN, ..recipe.clone() }, "density"),
        (RandomNetwork { rate: 1.0, ..recipe.clone() }, "rate"),
        (RandomNetwork { rate: 0.9, ..recipe.clone() }, "cannot fire at a rate of 0.9"),
        (RandomNetwork { bias: 0.5, ..recipe.clone() }, "cannot fire at a rate of 0.1"),
        (RandomNetwork { bias: f32::NAN, ..recipe.clone() }, "bias"),
        (layers(&[50], 0.3, 0.1), "at least two"),
        (layers(&[50, 0, 5], 0.3, 0.1), "at least 1"),
        (layers(&[4_000_000_000, 4_000_000_000], 0.3, 0.1), "2^31"),
    ];
    for (recipe, part) in refused {
        let error = recipe.make().map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let error = layers(&[1_000_000, 1_000_000], 0.9, 0.1).make().unwrap_err().to_string();
    assert!(error.contains("9.00e11 weights"), "{error}");
    let plan = Plan::Convolution { source: [1, 8, 8], channels: 1, kernel: 4 };
    let error = RandomNetwork { plan, ..recipe }.make().unwrap_err().to_string();
    assert!(error.contains("kernel") && error.contains("odd"), "{error}");
}

#[test]
fn simulating_a_made_network_gives_spikes_in_its_firing_output() {
    let recipe = RandomNetwork { firing_output: true, ..layers(&[100, 80], 0.2, 0.1) };
    let (network, _) = recipe.make().unwrap();
    let network = Arc::new(network);
    let input = Input::values(&network, vec![0.1; 100], Encoding::Poisson { seed: 1 }).unwrap();
    let mut simulator = EventSimulator::new(Arc::clone(&network));
    run_sample(&mut simulator, &input, 0, 64, false).unwrap();
    assert!(simulator.statistics().of(network.output()).spikes > 100);
}
