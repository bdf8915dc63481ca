//! A neuron model of one's own: only its description and one step of one neuron, run by every simulator.

use std::sync::Arc;

use snn_engine::*;

/// A leaky neuron: `v ← decay·v + current + bias`; it fires at 1 and goes to 0.
#[derive(Clone, Debug)]
pub struct Leaky {
    bias: PerNeuron,
    decay: PerNeuron,
}

impl Model for Leaky {
    const NAME: &'static str = "my-leaky";
    const MEANING: &'static str = "leaks by a factor in every step";
    const PARAMETERS: &'static [Parameter] = &[
        BIAS,
        Parameter {
            name: "decay",
            allowed: Allowed::Within(0.0, 1.0),
            default: Some(0.9),
            at_rest: 0.0,
            meaning: "what is left of the potential after a step",
        },
    ];
    const STATE: &'static [Variable] = &[Variable { name: "potential", initial: Initial::Zero }];
    const AUTONOMY: Autonomy = Autonomy::EveryStep;

    type Parameters<T> = [T; 2];
    type Reals<T> = [T; 1];
    type Counts<T> = [T; 0];

    fn parameters(&self) -> Vec<&PerNeuron> {
        vec![&self.bias, &self.decay]
    }

    fn from_parts(parameters: Vec<PerNeuron>, _: &[usize]) -> Self {
        let [bias, decay] = parameters.try_into().expect("two parameters, as described");
        Self { bias, decay }
    }

    fn emission(&self) -> Emission {
        Emission::UNIT
    }

    fn step(
        &self,
        [bias, decay]: &[f32; 2],
        [v]: &mut [f32; 1],
        _: &mut [i32; 0],
        current: Option<f32>,
        _: u32,
    ) -> i32 {
        *v = decay * *v + current.unwrap_or(0.0) + bias;
        if *v < 1.0 {
            return 0;
        }
        *v = 0.0;
        1
    }
}

/// Seven inputs, a layer of 40 leaky neurons, and as many behind it after two steps.
pub fn network() -> Arc<Network> {
    let mut builder = NetworkBuilder::new();
    let input = builder.population("input", Layout::Flat(7), Neuron::Source);
    let decay: Vec<f32> = (0..40_u8).map(|neuron| f32::from(neuron) / 40.0).collect();
    let leaky = |bias| Leaky {
        bias: PerNeuron::same(bias).expect("a finite number"),
        decay: PerNeuron::repeating(decay.clone().into()).expect("finite numbers"),
    };
    let layer = builder.population("layer", Layout::Flat(40), Neuron::of(leaky(0.01)));
    let behind = builder.population("behind", Layout::Flat(40), Neuron::of(leaky(-0.02)));
    for (source, target, sources, delay) in [(input, layer, 7, 0), (layer, behind, 40, 2)] {
        let table: Vec<f32> = (0..sources * 40).map(|at| ((at * 7919) % 13) as f32 * 0.1 - 0.3).collect();
        let rows = SparseRows::from_dense(40, &table).expect("whole rows");
        builder.projection(source, target, delay, Connectivity::Rows(Rows::Sparse(rows)));
    }
    Arc::new(builder.build().expect("a valid network"))
}

/// Spikes of the input for a number of steps.
pub fn sample(steps: u32) -> Sample {
    let mut raster = Raster::new();
    for step in 0..steps {
        raster.push_step(&(0..7).filter(|neuron| (neuron * 5 + step * 3) % 4 == 0).collect::<Vec<u32>>());
    }
    let input = network().find("input").expect("it was declared");
    Sample { drive: Drive::none(), spikes: vec![(input, raster)] }
}

#[allow(dead_code, reason = "the law over this example has no use for it")]
fn main() -> Result<(), NetworkError> {
    let mut simulator = WindowSimulator::new(network());
    simulator.run(&sample(300), 300, &mut ())?;
    println!("{:?}", simulator.statistics().total());
    Ok(())
}
