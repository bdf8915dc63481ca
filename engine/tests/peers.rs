//! Leaky neurons beside snnTorch and norse: their spikes, and their potentials within rounding.

use std::sync::Arc;

use serde_json::Value;
use snn_engine::*;

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    list(value).iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn ids(value: &Value) -> Vec<u32> {
    list(value).iter().map(|id| u32::try_from(id.as_u64().unwrap()).unwrap()).collect()
}

fn neuron(case: &Value) -> Neuron {
    let said = &case["parameters"];
    let parameter =
        |name: &str| PerNeuron::same(said[name].as_f64().map_or(0.0, |number| number as f32)).unwrap();
    let reset = match said["reset"].as_str() {
        Some("subtract") => LeakyReset::Subtract,
        Some("to") => LeakyReset::To,
        other => panic!("reset is {other:?}"),
    };
    let [leak, threshold, after, zero] = ["leak", "threshold", "after", "nothing"].map(parameter);
    let (bias, start, refractory) = (zero.clone(), zero.clone(), zero);
    match case["model"].as_str() {
        Some("leaky") => Neuron::of(Leaky { leak, threshold, bias, start, reset, after, refractory }),
        Some("current-leaky") => {
            let decay = parameter("decay");
            Neuron::of(CurrentLeaky { decay, leak, threshold, bias, start, reset, after, refractory })
        }
        other => panic!("model is {other:?}"),
    }
}

#[test]
fn leaky_neurons_fire_when_those_of_snntorch_and_norse_do_and_have_their_potentials() {
    let file: Value = serde_json::from_str(include_str!("peers/leaky.json")).unwrap();
    let cases = list(&file["cases"]);
    assert_eq!(cases.len(), 3);
    for case in cases {
        let rows: Vec<Vec<f32>> = list(&case["weights"]).iter().map(numbers).collect();
        let (inputs, width) = (rows.len(), rows[0].len());
        let mut builder = NetworkBuilder::new();
        let input = builder.population("input", Layout::Flat(inputs as u32), Neuron::Source);
        let layer = builder.population("layer", Layout::Flat(width as u32), neuron(case));
        let weights = SparseRows::from_dense(width, &rows.concat()).unwrap();
        builder.projection(input, layer, 0, Connectivity::Rows(Rows::Sparse(weights)));
        let network = Arc::new(builder.build().unwrap());
        let simulators: [Box<dyn Simulator>; 3] = [
            Box::new(DenseSimulator::new(Arc::clone(&network))),
            Box::new(EventSimulator::new(Arc::clone(&network))),
            Box::new(WindowSimulator::new(Arc::clone(&network))),
        ];
        for mut simulator in simulators {
            for (step, given) in list(&case["raster"]).iter().enumerate() {
                let given = ids(given);
                let stimulus = Stimulus::new(&network, &[(input, &given)]).unwrap();
                let fired = simulator.step(&stimulus).of(layer).to_vec();
                assert_eq!(fired, ids(&case["spikes"][step]), "{}, step {step}", case["name"]);
                let expected = numbers(&case["potentials"][step]);
                for (neuron, (&v, expected)) in simulator.potentials(layer).iter().zip(expected).enumerate() {
                    let far = (v - expected).abs();
                    assert!(far < 2e-6, "{}, step {step}, neuron {neuron}: {v} for {expected}", case["name"]);
                }
            }
        }
    }
}
