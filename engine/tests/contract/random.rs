//! Random networks of every kind, a pure function of a seed.

use std::sync::Arc;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use snn_engine::*;

/// A network, what it is given, and for how long.
pub struct Case {
    pub seed: u64,
    pub network: Arc<Network>,
    pub samples: Vec<Sample>,
    pub steps: u64,
}

/// From which numbers the parameters are drawn.
#[derive(Clone, Copy, PartialEq)]
enum Numbers {
    /// Multiples of 0.1, so that sums depend on their order and ties with the threshold occur.
    Lattice,
    /// Multiples of 1/8, so that every sum is exact.
    Eighths,
    /// Anything.
    Real,
}

struct Draw {
    rng: Xoshiro256PlusPlus,
    numbers: Numbers,
}

impl Draw {
    fn chance(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    fn below(&mut self, n: u32) -> u32 {
        self.rng.random_range(0..n)
    }

    fn between(&mut self, low: u32, high: u32) -> u32 {
        self.rng.random_range(low..=high)
    }

    fn number(&mut self, low: i32, high: i32) -> f32 {
        let tenths = self.rng.random_range(low..=high);
        match self.numbers {
            Numbers::Lattice => tenths as f32 * 0.1,
            Numbers::Eighths => tenths as f32 * 0.125,
            Numbers::Real => self.rng.random_range(low as f32 * 0.1..=high as f32 * 0.1 + 1e-3),
        }
    }

    /// A weight, with `strong` inhibition in some networks.
    fn weight(&mut self, strong: bool) -> f32 {
        if strong { self.number(-20, 6) } else { self.number(-4, 7) }
    }

    fn per_neuron(&mut self, n: u32, mut value: impl FnMut(&mut Self) -> f32) -> PerNeuron {
        let period = if n > 0 && self.chance(0.7) { n } else { 1 };
        PerNeuron::repeating((0..period).map(|_| value(self)).collect::<Vec<_>>().into()).unwrap()
    }

    fn neuron(&mut self, n: u32) -> Neuron {
        let biases = self.below(4);
        let mut bias = |draw: &mut Self| match biases {
            0 => 0.0,
            1 => draw.number(-2, 4),
            // Small ones, so that crossings lie far ahead, some beyond a re-base.
            2 => draw.number(-1, 1) * 0.02,
            _ => draw.number(-5, 0),
        };
        if self.chance(0.15) {
            return Neuron::Accumulator(Accumulator { bias: self.per_neuron(n, &mut bias) });
        }
        let threshold = self.below(3);
        let start = self.below(4);
        Neuron::IntegrateFire(IntegrateFire {
            threshold: self.per_neuron(n, |draw| match threshold {
                0 => 1.0,
                1 => 0.1,
                _ => draw.number(1, 25),
            }),
            bias: self.per_neuron(n, &mut bias),
            start: self.per_neuron(n, |draw| match start {
                0 => 0.0,
                1 => 0.5,
                2 => draw.number(-30, 90),
                _ => draw.number(0, 10),
            }),
            reset: if self.chance(0.3) { Reset::Zero } else { Reset::Subtract },
        })
    }

    /// Rows of a given density; with `ones` all weights are 1.
    fn rows(&mut self, rows: usize, width: usize, ones: bool) -> Rows {
        let density = [0.0, 0.05, 0.3, 0.8, 1.0][self.below(5) as usize];
        let strong = self.chance(0.2);
        let empty_rows = self.chance(0.3);
        let mut table = vec![0.0; rows * width];
        for row in table.chunks_exact_mut(width.max(1)) {
            if empty_rows && self.chance(0.3) {
                continue;
            }
            for weight in row {
                if self.chance(density) {
                    *weight = if ones { 1.0 } else { self.weight(strong) };
                }
            }
        }
        if width > 0 && self.chance(0.3) {
            return Rows::Dense(DenseRows::new(width, table.into()).unwrap());
        }
        let (mut starts, mut columns, mut weights) = (vec![0], vec![], vec![]);
        for row in 0..rows {
            for column in 0..width {
                let weight = table[row * width + column];
                if weight != 0.0 {
                    columns.push(column as u32);
                    weights.push(weight);
                }
            }
            starts.push(weights.len() as u64);
        }
        if self.chance(0.2) {
            let targets = Targets::U32(columns.into());
            return Rows::Sparse(SparseRows::new(width, starts.into(), targets, weights.into()).unwrap());
        }
        Rows::Sparse(SparseRows::from_columns(width, starts, columns, weights).unwrap())
    }

    /// A convolution over an image, or `None` if the drawn taps do not fit it.
    fn convolution(&mut self, source: [u32; 3], ones: bool) -> Option<Connectivity> {
        let mut geometry = Conv2dGeometry {
            source,
            // Whole vectors of channels have delivery code of their own.
            target: [0, 0, if self.chance(0.3) { 16 * self.between(1, 2) } else { self.between(1, 5) }],
            pool: [self.between(1, 2), self.between(1, 2)],
            kernel: [self.between(1, 3), self.between(1, 3)],
            stride: [self.between(1, 2), self.between(1, 2)],
            dilation: [self.between(1, 2), self.between(1, 2)],
            padding: [self.below(3), self.below(3)],
            groups: 1,
        };
        for (axis, size) in source.into_iter().take(2).enumerate() {
            let after = self.below(3);
            let pooled = size / geometry.pool[axis] + geometry.padding[axis] + after;
            let span = (geometry.kernel[axis] - 1) * geometry.dilation[axis] + 1;
            geometry.target[axis] = pooled.checked_sub(span)? / geometry.stride[axis] + 1;
        }
        let rows = self.rows(geometry.rows(), geometry.target[2] as usize, ones);
        Some(Connectivity::Conv2d(Conv2d::new(geometry, rows).unwrap()))
    }

    fn layout(&mut self) -> Layout {
        if self.chance(0.4) {
            Layout::Image {
                channels: self.between(1, 4),
                height: self.between(1, 6),
                width: self.between(1, 6),
            }
        } else {
            Layout::Flat(match self.below(10) {
                0 => 0,
                1 => 1,
                2..=6 => self.between(2, 24),
                _ => self.between(25, 140),
            })
        }
    }
}

fn image(layout: Layout) -> Option<[u32; 3]> {
    match layout {
        Layout::Flat(_) => None,
        Layout::Image { channels, height, width } => Some([height, width, channels]),
    }
}

/// A population that exists already, as the drawing of the next one sees it.
struct Drawn {
    id: PopulationId,
    layout: Layout,
    read_out: bool,
}

impl Drawn {
    fn size(&self) -> usize {
        self.layout.neurons().unwrap() as usize
    }
}

/// The network of a seed with its samples.
pub fn case(seed: u64) -> Case {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let numbers = [Numbers::Lattice, Numbers::Eighths, Numbers::Real][rng.random_range(0..3)];
    let mut draw = Draw { rng, numbers };
    let feed_forward = draw.chance(0.5);
    let mut builder = NetworkBuilder::new();
    let mut drawn: Vec<Drawn> = vec![];
    for index in 0..draw.between(1, 2) {
        let layout = draw.layout();
        let id = builder.population(format!("input{index}"), layout, Neuron::Source);
        drawn.push(Drawn { id, layout, read_out: false });
    }
    for index in 0..draw.between(0, 4) {
        grow(&mut draw, &mut builder, &mut drawn, index, feed_forward);
    }
    let network = Arc::new(builder.build().unwrap_or_else(|error| panic!("seed {seed}: {error}")));
    let steps = match draw.below(20) {
        0 => 0,
        1 => 1,
        2 => u64::from(draw.between(500, 800)),
        3 => u64::from(draw.between(250, 270)),
        _ => u64::from(draw.between(2, 40)),
    };
    let samples = (0..draw.between(1, 3)).map(|_| sample(&mut draw, &network, steps)).collect();
    Case { seed, network, samples, steps }
}

/// Adds a population and the projections into it (and, if allowed, back out of it).
fn grow(
    draw: &mut Draw,
    builder: &mut NetworkBuilder,
    drawn: &mut Vec<Drawn>,
    index: u32,
    feed_forward: bool,
) {
    let from = draw.below(drawn.len() as u32) as usize;
    let pool = draw.chance(0.2);
    let convolution = image(drawn[from].layout).filter(|_| draw.chance(0.8) && !drawn[from].read_out);
    let convolution = convolution.and_then(|shape| draw.convolution(shape, pool));
    let layout = match &convolution {
        Some(Connectivity::Conv2d(conv)) => {
            let [height, width, channels] = conv.geometry().target;
            Layout::Image { channels, height, width }
        }
        _ if draw.chance(0.2) => drawn[from].layout,
        _ => draw.layout(),
    };
    let n = layout.neurons().unwrap();
    let neuron = if pool { Neuron::MaxPool(MaxPool) } else { draw.neuron(n) };
    let read_out = matches!(neuron, Neuron::Accumulator(_));
    let id = builder.population(format!("layer{index}"), layout, neuron);
    drawn.push(Drawn { id, layout, read_out });
    let delay = |draw: &mut Draw, least: u32| if draw.chance(0.6) { least } else { draw.between(least, 4) };
    if let Some(connectivity) = convolution {
        let delay = delay(draw, 0);
        builder.projection(drawn[from].id, id, delay, connectivity);
    }
    for _ in 0..draw.below(3) {
        let from = draw.below(drawn.len() as u32) as usize;
        let source = &drawn[from];
        // A population may reach itself, but not within a step.
        let recurrent = source.id == id;
        if source.read_out || recurrent && feed_forward {
            continue;
        }
        let connectivity = if source.size() == n as usize && n > 0 && draw.chance(0.5) {
            let weights = draw.per_neuron(n, |draw| if pool { 1.0 } else { draw.weight(false) });
            Connectivity::OneToOne(OneToOne::new(n as usize, weights).unwrap())
        } else {
            Connectivity::Rows(draw.rows(source.size(), n as usize, pool))
        };
        let delay = delay(draw, u32::from(recurrent));
        builder.projection(source.id, id, delay, connectivity);
    }
    // Back to an earlier population that takes spikes: recurrence through a delay.
    if !feed_forward && !read_out && draw.chance(0.4) {
        let to = draw.below(drawn.len() as u32) as usize;
        let target = &drawn[to];
        if draw.chance(0.9) && to >= 2 && !target.read_out && target.id != id {
            let delay = draw.between(1, 4);
            let connectivity = Connectivity::Rows(draw.rows(n as usize, target.size(), true));
            builder.projection(id, target.id, delay, connectivity);
        }
    }
}

fn sample(draw: &mut Draw, network: &Network, steps: u64) -> Sample {
    let mut spikes = vec![];
    let mut drive = Drive::none();
    for source in network.sources().collect::<Vec<_>>() {
        let n = network.population(source).size();
        if drive == Drive::none() && draw.chance(0.25) {
            let x: Vec<f32> = (0..n).map(|_| draw.number(-3, 10)).collect();
            // A source behind which there are delays or max pools takes spikes only.
            if let Ok(constant) = Drive::constant(network, source, &x) {
                drive = constant;
                continue;
            }
        }
        let rate = [0.0, 0.02, 0.2, 0.7, 1.0][draw.below(5) as usize];
        let mut raster = Raster::new();
        for _ in 0..steps {
            let step: Vec<u32> = (0..n as u32).filter(|_| draw.chance(rate)).collect();
            raster.push_step(&step);
        }
        spikes.push((source, raster));
    }
    Sample { drive, spikes }
}
