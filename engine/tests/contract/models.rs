//! The models of neurons that the random networks hold: one entry each, and a model that is not in the list is not
//! proven.

use snn_engine::*;

use crate::draw::Draw;

/// A model of neurons as it is drawn, built, reduced and printed.
#[derive(Debug)]
pub struct Model {
    pub name: &'static str,
    pub parameters: &'static [Parameter],
    /// Draws the values of every parameter for a population of so many neurons: one for each, or one for all.
    pub draw: fn(&mut Draw, u32) -> Vec<Vec<f32>>,
    pub build: fn(&[PerNeuron]) -> Neuron,
    /// Whether populations may be declared behind it.
    pub fires: bool,
}

impl PartialEq for Model {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// A parameter and the value that a reader has least to think about.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    pub name: &'static str,
    pub simplest: f32,
}

const fn parameter(name: &'static str, simplest: f32) -> Parameter {
    Parameter { name, simplest }
}

pub static SOURCE: Model =
    Model { name: "source", parameters: &[], draw: |_, _| vec![], build: |_| Neuron::Source, fires: true };

/// Its weights are all 1.
pub static MAX_POOL: Model = Model {
    name: "max pooling",
    parameters: &[],
    draw: |_, _| vec![],
    build: |_| Neuron::MaxPool(MaxPool),
    fires: true,
};

static ACCUMULATOR: Model = Model {
    name: "accumulator",
    parameters: &[parameter("bias", 0.0)],
    draw: |draw, n| vec![biases(draw, n)],
    build: |columns| Neuron::of(Accumulator { bias: columns[0].clone() }),
    fires: false,
};

static INTEGRATE_FIRE: Model = Model {
    name: "integrate-and-fire",
    parameters: &[
        parameter("threshold", 1.0),
        parameter("bias", 0.0),
        parameter("start", 0.0),
        parameter("reset to zero", 0.0),
    ],
    draw: |draw, n| {
        let bias = biases(draw, n);
        let reset = if draw.chance(0.3) { 1.0 } else { 0.0 };
        vec![thresholds(draw, n), bias, starts(draw, n), vec![reset]]
    },
    build: |columns| {
        Neuron::of(IntegrateFire {
            threshold: columns[0].clone(),
            bias: columns[1].clone(),
            start: columns[2].clone(),
            reset: if columns[3].get(0) == 0.0 { Reset::Subtract } else { Reset::Zero },
        })
    },
    fires: true,
};

static BIPOLAR: Model = Model {
    name: "bipolar",
    parameters: &[
        parameter("threshold", 1.0),
        parameter("bias", 0.0),
        parameter("start", 0.0),
        parameter("most", 1.0),
        parameter("low", 0.0),
        parameter("high", Bipolar::UNBOUNDED),
        parameter("unsigned", 0.0),
        parameter("bias once", 0.0),
    ],
    draw: |draw, n| {
        let [free, levels] = [Bipolar::UNBOUNDED, draw.between(1, 6) as f32];
        let several = |draw: &mut Draw| draw.per_neuron(n, |draw| draw.between(1, 5) as f32);
        // The uses in the order of the model's docs, then anything.
        let (most, low, high, unsigned) = match draw.below(6) {
            0 => (vec![1.0], vec![0.0], vec![free], 1.0),
            1 => (several(draw), vec![0.0], vec![free], 1.0),
            2 => (several(draw), vec![0.0], vec![free], 0.0),
            3 => (vec![1.0], vec![if draw.chance(0.5) { -free } else { -1.0 }], vec![free], 0.0),
            4 => return settling(draw, n, levels),
            _ => {
                let low = draw.per_neuron(n, |draw| -(draw.below(4) as f32));
                let high = draw.per_neuron(n, |draw| draw.below(7) as f32);
                (several(draw), low, high, if draw.chance(0.3) { 1.0 } else { 0.0 })
            }
        };
        let once = if draw.chance(0.2) { 1.0 } else { 0.0 };
        let bias = biases(draw, n);
        vec![thresholds(draw, n), bias, starts(draw, n), most, low, high, vec![unsigned], vec![once]]
    },
    build: |columns| {
        Neuron::of(Bipolar {
            threshold: columns[0].clone(),
            bias: columns[1].clone(),
            start: columns[2].clone(),
            most: columns[3].clone(),
            low: columns[4].clone(),
            high: columns[5].clone(),
            sign: if columns[6].get(0) == 0.0 { Sign::Signed } else { Sign::Unsigned },
            arrives: if columns[7].get(0) == 0.0 { BiasArrives::EveryStep } else { BiasArrives::Once },
        })
    },
    fires: true,
};

/// What the leaky models have in common: threshold, bias, start, leak, reset to a value, that value, steps of rest.
const LEAKING: [Parameter; 7] = [
    parameter("threshold", 1.0),
    parameter("bias", 0.0),
    parameter("start", 0.0),
    parameter("leak", 0.5),
    parameter("reset to a value", 0.0),
    parameter("after", 0.0),
    parameter("refractory", 0.0),
];

fn leaking(draw: &mut Draw, n: u32) -> Vec<Vec<f32>> {
    let bias = biases(draw, n);
    let leak = shares(draw, n);
    let reset = if draw.chance(0.5) { 1.0 } else { 0.0 };
    let after = draw.per_neuron(n, |draw| if draw.chance(0.5) { 0.0 } else { draw.number(-5, 5) });
    let refractory =
        draw.per_neuron(n, |draw| if draw.chance(0.5) { 0.0 } else { draw.between(1, 4) as f32 });
    vec![thresholds(draw, n), bias, starts(draw, n), leak, vec![reset], after, refractory]
}

fn leaky_reset(column: &PerNeuron) -> LeakyReset {
    if column.get(0) == 0.0 { LeakyReset::Subtract } else { LeakyReset::To }
}

static LEAKY: Model = Model {
    name: "leaky",
    parameters: &LEAKING,
    draw: leaking,
    build: |columns| {
        Neuron::of(Leaky {
            threshold: columns[0].clone(),
            bias: columns[1].clone(),
            start: columns[2].clone(),
            leak: columns[3].clone(),
            reset: leaky_reset(&columns[4]),
            after: columns[5].clone(),
            refractory: columns[6].clone(),
        })
    },
    fires: true,
};

static CURRENT_LEAKY: Model = Model {
    name: "current-leaky",
    parameters: &{
        let [a, b, c, d, e, f, g] = LEAKING;
        [a, b, c, d, e, f, g, parameter("decay", 0.5)]
    },
    draw: |draw, n| {
        let mut columns = leaking(draw, n);
        columns.push(shares(draw, n));
        columns
    },
    build: |columns| {
        Neuron::of(CurrentLeaky {
            threshold: columns[0].clone(),
            bias: columns[1].clone(),
            start: columns[2].clone(),
            leak: columns[3].clone(),
            reset: leaky_reset(&columns[4]),
            after: columns[5].clone(),
            refractory: columns[6].clone(),
            decay: columns[7].clone(),
        })
    },
    fires: true,
};

static ADAPTIVE_LEAKY: Model = Model {
    name: "adaptive-leaky",
    parameters: &{
        let [a, b, c, d, e, f, g] = LEAKING;
        [a, b, c, d, e, f, g, parameter("recovery", 0.5), parameter("rise", 0.0)]
    },
    draw: |draw, n| {
        let mut columns = leaking(draw, n);
        columns.push(shares(draw, n));
        columns.push(draw.per_neuron(n, |draw| draw.number(0, 8)));
        columns
    },
    build: |columns| {
        Neuron::of(AdaptiveLeaky {
            threshold: columns[0].clone(),
            bias: columns[1].clone(),
            start: columns[2].clone(),
            leak: columns[3].clone(),
            reset: leaky_reset(&columns[4]),
            after: columns[5].clone(),
            refractory: columns[6].clone(),
            recovery: columns[7].clone(),
            rise: columns[8].clone(),
        })
    },
    fires: true,
};

static LEAKY_ACCUMULATOR: Model = Model {
    name: "leaky-accumulator",
    parameters: &[parameter("bias", 0.0), parameter("start", 0.0), parameter("leak", 0.5)],
    draw: |draw, n| {
        let bias = biases(draw, n);
        vec![bias, starts(draw, n), shares(draw, n)]
    },
    build: |columns| {
        Neuron::of(LeakyAccumulator {
            bias: columns[0].clone(),
            start: columns[1].clone(),
            leak: columns[2].clone(),
        })
    },
    fires: false,
};

/// What is left after a step: nothing, all, a half, and shares that no f32 holds exactly.
fn shares(draw: &mut Draw, n: u32) -> Vec<f32> {
    draw.per_neuron(n, |draw| [0.0, 1.0, 0.5, 0.9, 0.95, 0.3][draw.below(6) as usize])
}

/// The models that a population with a potential may have, and how often it has each.
pub static WITH_POTENTIAL: [(&Model, u32); 7] = [
    (&INTEGRATE_FIRE, 30),
    (&ACCUMULATOR, 10),
    (&BIPOLAR, 60),
    (&LEAKY, 12),
    (&CURRENT_LEAKY, 12),
    (&ADAPTIVE_LEAKY, 6),
    (&LEAKY_ACCUMULATOR, 4),
];

/// Neurons that settle on so many levels: they start at half of their threshold, and their bias arrives once.
fn settling(draw: &mut Draw, n: u32, levels: f32) -> Vec<Vec<f32>> {
    let threshold = thresholds(draw, n);
    let start = threshold.iter().map(|threshold| threshold / 2.0).collect();
    let most = vec![draw.between(1, 4) as f32];
    vec![threshold, biases(draw, n), start, most, vec![0.0], vec![levels], vec![0.0], vec![1.0]]
}

fn biases(draw: &mut Draw, n: u32) -> Vec<f32> {
    let kind = draw.below(4);
    draw.per_neuron(n, |draw| match kind {
        0 => 0.0,
        1 => draw.number(-2, 4),
        // Small ones, so that crossings lie far ahead, some beyond a re-base.
        2 => draw.number(-1, 1) * 0.02,
        _ => draw.number(-5, 0),
    })
}

fn thresholds(draw: &mut Draw, n: u32) -> Vec<f32> {
    let kind = draw.below(3);
    draw.per_neuron(n, |draw| match kind {
        0 => 1.0,
        1 => 0.1,
        _ => draw.number(1, 25),
    })
}

fn starts(draw: &mut Draw, n: u32) -> Vec<f32> {
    let kind = draw.below(4);
    draw.per_neuron(n, |draw| match kind {
        0 => 0.0,
        1 => 0.5,
        2 => draw.number(-30, 90),
        _ => draw.number(0, 10),
    })
}
