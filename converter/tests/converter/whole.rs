//! Whole-number weights: lattices, scales moved into thresholds and units, loss told, mean errors taken up by biases.

use crate::conversion::{inputs, small_net};
use crate::shared;
use snn_converter::ann::{Ann, Linear, Op, Shape};
use snn_converter::forward::logits;
use snn_converter::import::onnx;
use snn_converter::simplify::simplify;
use snn_converter::{Conversion, Normalise, Options, Readout, Samples, convert};
use snn_engine::{
    Connectivity, Drive, EventSimulator, Network, Neuron, Rows, Simulator, Stimulus, WeightType, Weights,
};
use std::sync::Arc;

const WHOLE: [WeightType; 3] = [WeightType::Int16, WeightType::Int8, WeightType::Int4];

fn converted(ann: &Ann, values: Option<&[f32]>, options: &Options) -> Conversion {
    let samples = values.map(|values| Samples { values, labels: None, expected: None });
    convert(ann, samples.as_ref(), options).unwrap()
}

fn table(connectivity: &Connectivity) -> Option<&Weights> {
    let rows = match connectivity {
        Connectivity::Rows(rows) => rows,
        Connectivity::Conv2d(conv) => conv.rows(),
        Connectivity::OneToOne(_) => return None,
    };
    Some(match rows {
        Rows::Sparse(rows) => rows.weights(),
        Rows::Dense(rows) => rows.weights(),
    })
}

/// Spike counts of every population and the potentials of the last one, after so many steps.
fn run(network: &Network, x: &[f32], steps: u32) -> (Vec<Vec<u32>>, Vec<f32>) {
    let network = Arc::new(network.clone());
    let input = network.find("input").unwrap();
    let layout = network.population(input).layout();
    let seen: Vec<f32> = (0..x.len()).map(|neuron| x[layout.user_index(neuron)]).collect();
    let mut simulator = EventSimulator::new(Arc::clone(&network));
    simulator.start(&Drive::constant(&network, input, &seen).unwrap());
    let mut counts: Vec<Vec<u32>> =
        network.populations().iter().map(|population| vec![0; population.size()]).collect();
    for _ in 0..steps {
        let spikes = simulator.step(&Stimulus::none());
        for (id, counts) in network.ids().zip(&mut counts) {
            spikes.of(id).iter().for_each(|&neuron| counts[neuron as usize] += 1);
        }
    }
    (counts, simulator.potentials(network.output()).to_vec())
}

#[test]
fn every_population_of_a_net_with_whole_weights_has_a_lattice_and_its_weights_are_stored_as_asked_for() {
    for seed in 0..20 {
        let values = inputs(seed, 72 * 8);
        for of in WHOLE {
            for (steps, readout) in
                [(None, Readout::Potential), (Some(8), Readout::Potential), (Some(16), Readout::Spikes)]
            {
                let options = Options { weights: Some(of), steps, readout, ..Options::default() };
                let conversion = converted(&small_net(seed), Some(&values), &options);
                let network = &conversion.network;
                for (id, layer) in network.ids().zip(&conversion.report.layers) {
                    let rounds =
                        !matches!(network.population(id).neuron(), Neuron::Source | Neuron::MaxPool(_));
                    assert_eq!(layer.weight_rounding.is_some(), rounds, "{}", layer.name);
                    assert_eq!(network.lattice(id).is_some(), rounds, "{}: {}", of.name(), layer.name);
                    let Some(rounding) = layer.weight_rounding else { continue };
                    assert_eq!(rounding.stored_as, of.name());
                    assert!(rounding.error < 0.05, "{}: {rounding:?}", layer.name);
                    let projections: Vec<_> = network.incoming(id).collect();
                    for projection in projections {
                        let connectivity = projection.connectivity();
                        if let Some(weights) = table(connectivity) {
                            assert_eq!(weights.weight_type(), of, "{}", layer.name);
                        }
                        for source in 0..connectivity.sources() {
                            connectivity.fan_out(source, |_, weight| {
                                assert!(
                                    weight.fract() == 0.0 && weight.abs() <= f32::from(of.largest().unwrap())
                                );
                            });
                        }
                    }
                }
            }
        }
    }
}

/// Two fully connected layers and a read-out whose weights are whole multiples of a number of their own, per neuron.
fn multiples() -> Ann {
    let mut ann = Ann::new("x", Shape::new([5]).unwrap()).unwrap();
    let weights = |inputs: usize, outputs: usize, same: bool| -> Vec<f32> {
        let of = |at: usize| {
            let (row, column) = (at / inputs, at % inputs);
            // A power of two for each, so that f32 divides exactly.
            let unit = if same { 0.125 } else { [0.25, 0.125, 0.5][row % 3] };
            ((row * 7 + column * 4) % 15) as f32 * unit - 7.0 * unit
        };
        (0..inputs * outputs).map(of).collect()
    };
    let mut from = ann.input();
    for (name, [inputs, outputs], same) in
        [("fc1", [5, 6], false), ("fc2", [6, 6], false), ("fc3", [6, 3], true)]
    {
        let bias: Vec<f32> = (0..outputs).map(|at| at as f32 * 0.125 - 0.25).collect();
        let linear = Linear {
            weights: weights(inputs, outputs, same).into(),
            bias: Some(bias.into()),
            inputs,
            outputs,
        };
        from = ann.push(name, Op::Linear(linear), &[from]).unwrap();
        if name != "fc3" {
            from = ann.push(format!("relu{name}"), Op::Relu, &[from]).unwrap();
        }
    }
    ann
}

#[test]
fn weights_that_are_whole_multiples_already_keep_their_scale_and_no_spike_changes() {
    for of in WHOLE {
        let options = Options { normalise: Some(Normalise::None), ..Options::default() };
        let plain = converted(&multiples(), None, &options);
        let whole = converted(&multiples(), None, &Options { weights: Some(of), ..options });
        for layer in &whole.report.layers[1..] {
            let rounding = layer.weight_rounding.unwrap();
            assert!(rounding.error < 1e-12 && rounding.lost == 0, "{}: {rounding:?}", layer.name);
        }
        let id = whole.network.output();
        let unit = whole.description.unit(id.index()).unwrap();
        for sample in 0..40 {
            // Multiples of 1/16: potentials behind the input are exact, too.
            let x: Vec<f32> = (0..5).map(|at| ((sample * 31 + at * 17) % 33) as f32 / 16.0 - 0.5).collect();
            let (counts, potentials) = run(&plain.network, &x, 40);
            let (whole_counts, whole_potentials) = run(&whole.network, &x, 40);
            assert_eq!(counts, whole_counts, "{}", of.name());
            for (neuron, (plain, whole)) in potentials.iter().zip(&whole_potentials).enumerate() {
                assert_eq!(*plain, whole * unit.scale.get(neuron), "{}", of.name());
            }
        }
    }
}

#[test]
fn more_bits_lose_less_and_with_sixteen_the_outputs_are_those_of_f32() {
    for seed in 0..6 {
        let ann = small_net(seed);
        let values = inputs(seed, 72 * 32);
        let steps = 64;
        let outputs = |of: WeightType| {
            let options =
                Options { weights: Some(of), steps: Some(steps), fit: Some(false), ..Options::default() };
            let conversion = converted(&ann, Some(&values), &options);
            let unit = conversion.description.unit(conversion.network.output().index()).unwrap().clone();
            let of_sample = |x: &[f32]| -> Vec<f64> {
                let (_, potentials) = run(&conversion.network, x, steps);
                let rate = |(neuron, &v): (usize, &f32)| {
                    f64::from(unit.value(neuron, f64::from(v) / f64::from(steps)))
                };
                potentials.iter().enumerate().map(rate).collect()
            };
            values.chunks(72).flat_map(of_sample).collect::<Vec<f64>>()
        };
        let wide = outputs(WeightType::F32);
        let scale = wide.iter().map(|value| value.abs()).fold(0.0, f64::max);
        let errors = WHOLE.map(|of| {
            let found = outputs(of);
            found.iter().zip(&wide).map(|(a, b)| (a - b).abs()).sum::<f64>() / wide.len() as f64 / scale
        });
        assert!(errors[0] < 0.02 && errors[1] < 0.04 && errors[2] < 0.2, "seed {seed}: {errors:?}");
        assert!(errors[0] < errors[2] && errors[1] < errors[2], "seed {seed}: {errors:?}");
    }
}

#[test]
fn biases_take_up_the_mean_error_of_what_arrives() {
    // One layer behind the input, so that what arrives is known.
    let inputs = 40;
    let weights: Vec<f32> = (0..inputs * 4).map(|at| ((at * 37 % 101) as f32 / 50.0 - 1.0).powi(3)).collect();
    let mut ann = Ann::new("x", Shape::new([inputs]).unwrap()).unwrap();
    let linear = Linear { weights: weights.clone().into(), bias: None, inputs, outputs: 4 };
    ann.push("fc", Op::Linear(linear), &[ann.input()]).unwrap();
    let values: Vec<f32> = (0..inputs * 64).map(|at| (at * 7919 % 1000) as f32 / 1000.0).collect();
    let options = Options { weights: Some(WeightType::Int4), ..Options::default() };
    let conversion = converted(&ann, Some(&values), &options);
    let rounding = conversion.report.layers[1].weight_rounding.unwrap();
    assert!(rounding.error > 1e-4, "{rounding:?}");
    let unit = conversion.description.unit(1).unwrap();
    let mut errors = [0.0_f64; 4];
    let mut spread = 0.0;
    for x in values.chunks(inputs) {
        let (_, potentials) = run(&conversion.network, x, 1);
        for (neuron, error) in errors.iter_mut().enumerate() {
            let wanted: f64 = x
                .iter()
                .enumerate()
                .map(|(at, &x)| f64::from(weights[neuron * inputs + at]) * f64::from(x))
                .sum();
            let left = f64::from(unit.value(neuron, f64::from(potentials[neuron]))) - wanted;
            *error += left / 64.0;
            spread += left.abs() / 256.0;
        }
    }
    // The bias is rounded to its unit, too.
    let bias_unit = f64::from(unit.scale.get(0)) * 2.0_f64.powi(rounding.exponent);
    assert!(errors.iter().all(|error| error.abs() <= bias_unit), "{errors:?} at a unit of {bias_unit}");
    assert!(spread > 5.0 * bias_unit, "{spread}");
}

#[test]
fn pruned_real_nets_with_int8_weights_are_as_accurate_as_with_f32() {
    let Some(folder) = shared::folder("nets") else { return };
    let bytes = std::fs::read(folder.join("cnn-avg-p90.onnx")).unwrap();
    let ann = simplify(&onnx::import(bytes, None).unwrap().ann).unwrap();
    let read = |name: &str| snn_formats::npy::read(folder.join("..").join(name)).unwrap();
    let calibration = read("mnist_x_calib.npy").into_f32().unwrap();
    let n = ann.input_shape().elements();
    let x: Vec<f32> = read("mnist_x_test.npy").into_f32().unwrap()[..n * 100].to_vec();
    let options = Options { steps: Some(16), fit: Some(false), ..Options::default() };
    let classes = |of: WeightType| -> Vec<usize> {
        let options = Options { weights: Some(of), ..options.clone() };
        let conversion = converted(&ann, Some(&calibration[..n * 64]), &options);
        let best = |x: &[f32]| {
            let (_, v) = run(&conversion.network, x, 16);
            (1..v.len()).fold(0, |best, at| if v[at] > v[best] { at } else { best })
        };
        x.chunks(n).map(best).collect()
    };
    let trained = logits(&ann, &x).unwrap();
    let trained: Vec<usize> = trained
        .chunks(10)
        .map(|v| (1..10).fold(0, |best, at| if v[at] > v[best] { at } else { best }))
        .collect();
    let agree = |found: &[usize]| found.iter().zip(&trained).filter(|(a, b)| a == b).count();
    let [wide, narrow] = [WeightType::F32, WeightType::Int8].map(|of| agree(&classes(of)));
    assert!(narrow + 3 >= wide && narrow >= 90, "int8 {narrow}, f32 {wide} of 100");
}
