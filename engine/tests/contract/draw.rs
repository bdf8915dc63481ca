//! Random networks of every kind, a pure function of a seed.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use snn_engine::*;

use crate::case::{Case, Form, Given, Group, Kind, Synapses};
use crate::models::{MAX_POOL, Model, SOURCE, WITH_POTENTIAL};

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

/// Where random choices come from.
pub struct Draw {
    rng: Xoshiro256PlusPlus,
    numbers: Numbers,
    /// The shortest delay by which a population reaches itself or an earlier one: from 2 on, several steps can be run at
    /// once.
    shortest_back: u32,
}

impl Draw {
    pub fn chance(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    pub fn below(&mut self, n: u32) -> u32 {
        self.rng.random_range(0..n)
    }

    pub fn between(&mut self, low: u32, high: u32) -> u32 {
        self.rng.random_range(low..=high)
    }

    /// A number between `low` and `high` tenths.
    pub fn number(&mut self, low: i32, high: i32) -> f32 {
        let tenths = self.rng.random_range(low..=high);
        match self.numbers {
            Numbers::Lattice => tenths as f32 * 0.1,
            Numbers::Eighths => tenths as f32 * 0.125,
            Numbers::Real => self.rng.random_range(low as f32 * 0.1..=high as f32 * 0.1 + 1e-3),
        }
    }

    /// One value for each of `n` neurons, or one for all.
    pub fn per_neuron(&mut self, n: u32, mut value: impl FnMut(&mut Self) -> f32) -> Vec<f32> {
        let period = if n > 0 && self.chance(0.7) { n } else { 1 };
        (0..period).map(|_| value(self)).collect()
    }

    /// A weight, with `strong` inhibition in some networks.
    fn weight(&mut self, strong: bool) -> f32 {
        if strong { self.number(-20, 6) } else { self.number(-4, 7) }
    }

    /// A model with a potential.
    fn model(&mut self) -> &'static Model {
        let shares: u32 = WITH_POTENTIAL.iter().map(|(_, share)| share).sum();
        let mut left = self.below(shares);
        let model = WITH_POTENTIAL.iter().find(|(_, share)| {
            let found = left < *share;
            left = left.saturating_sub(*share);
            found
        });
        model.expect("the shares add up").0
    }

    /// A table of a random density; with `ones` all weights are 1.
    fn table(&mut self, rows: usize, width: usize, ones: bool) -> (Form, Vec<f32>) {
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
        let form = match self.below(10) {
            0..=2 if width > 0 => Form::Dense,
            3 => Form::Wide,
            _ => Form::Sparse,
        };
        (form, table)
    }

    /// A convolution over an image and its target, or `None` if the drawn taps do not fit it.
    fn convolution(&mut self, source: [u32; 3], ones: bool) -> Option<(Kind, [u32; 3])> {
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
        let (form, table) = self.table(geometry.rows(), geometry.target[2] as usize, ones);
        Some((Kind::Conv2d { geometry, form, table }, geometry.target))
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

    fn group(&mut self, model: &'static Model, layout: Layout) -> Group {
        let parameters = (model.draw)(self, layout.neurons().unwrap());
        assert_eq!(parameters.len(), model.parameters.len(), "{}", model.name);
        Group { layout, model, parameters }
    }

    fn delay(&mut self, least: u32) -> u32 {
        if self.chance(0.6) { least } else { self.between(least, least.max(2) + 2) }
    }
}

fn image(layout: Layout) -> Option<[u32; 3]> {
    match layout {
        Layout::Flat(_) => None,
        Layout::Image { channels, height, width } => Some([height, width, channels]),
    }
}

/// The case of a seed.
pub fn case(seed: u64) -> Case {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let numbers = [Numbers::Lattice, Numbers::Eighths, Numbers::Real][rng.random_range(0..3)];
    let mut draw = Draw { rng, numbers, shortest_back: 1 };
    let feed_forward = draw.chance(0.5);
    if draw.chance(0.5) {
        draw.shortest_back = draw.between(2, 5);
    }
    let mut case = Case { seed, populations: vec![], projections: vec![], samples: vec![], steps: 0 };
    for _ in 0..draw.between(1, 2) {
        let layout = draw.layout();
        case.populations.push(Group { layout, model: &SOURCE, parameters: vec![] });
    }
    for _ in 0..draw.between(0, 4) {
        grow(&mut draw, &mut case, feed_forward);
    }
    case.steps = match draw.below(20) {
        0 => 0,
        1 => 1,
        2 => u64::from(draw.between(500, 800)),
        3 => u64::from(draw.between(250, 270)),
        _ => u64::from(draw.between(2, 40)),
    };
    for _ in 0..draw.between(1, 3) {
        let given = given(&mut draw, &case);
        case.samples.push(given);
    }
    case
}

/// Adds a population and the projections into it (and, if allowed, back out of it).
fn grow(draw: &mut Draw, case: &mut Case, feed_forward: bool) {
    let from = draw.below(case.populations.len() as u32) as usize;
    let pool = draw.chance(0.2);
    let before = &case.populations[from];
    let convolution = image(before.layout).filter(|_| draw.chance(0.8) && before.model.fires);
    let convolution = convolution.and_then(|shape| draw.convolution(shape, pool));
    let layout = match &convolution {
        Some((_, [height, width, channels])) => {
            Layout::Image { channels: *channels, height: *height, width: *width }
        }
        None if draw.chance(0.2) => before.layout,
        None => draw.layout(),
    };
    let model = if pool { &MAX_POOL } else { draw.model() };
    let target = case.populations.len();
    let n = layout.neurons().unwrap();
    case.populations.push(draw.group(model, layout));
    if let Some((kind, _)) = convolution {
        let delay = draw.delay(0);
        case.projections.push(Synapses { source: from, target, delay, kind });
    }
    for _ in 0..draw.below(3) {
        let source = draw.below(case.populations.len() as u32) as usize;
        let size = case.populations[source].size();
        // A population may reach itself, but not within a step.
        let recurrent = source == target;
        if !case.populations[source].model.fires || recurrent && feed_forward {
            continue;
        }
        let kind = if size == n as usize && n > 0 && draw.chance(0.5) {
            Kind::OneToOne(draw.per_neuron(n, |draw| if pool { 1.0 } else { draw.weight(false) }))
        } else {
            let (form, table) = draw.table(size, n as usize, pool);
            Kind::Rows { form, table }
        };
        let delay = draw.delay(if recurrent { draw.shortest_back } else { 0 });
        case.projections.push(Synapses { source, target, delay, kind });
    }
    // Back to an earlier population that takes spikes: recurrence through a delay.
    if !feed_forward && model.fires && draw.chance(0.4) {
        let to = draw.below(case.populations.len() as u32) as usize;
        let back = &case.populations[to];
        if draw.chance(0.9) && to != target && back.model.fires && *back.model != SOURCE {
            let (form, table) = draw.table(n as usize, back.size(), true);
            let kind = Kind::Rows { form, table };
            let delay = draw.between(draw.shortest_back, draw.shortest_back + 3);
            case.projections.push(Synapses { source: target, target: to, delay, kind });
        }
    }
}

fn given(draw: &mut Draw, case: &Case) -> Given {
    let mut given = Given::default();
    for (source, group) in case.populations.iter().enumerate().filter(|(_, group)| *group.model == SOURCE) {
        let n = group.size() as u32;
        if given.values.is_none() && draw.chance(0.25) {
            let values = (0..n).map(|_| draw.number(-3, 10)).collect();
            let constant = Given { values: Some((source, values)), spikes: vec![] };
            // A source behind which there are delays or max pools takes spikes only.
            let with_it = Case { samples: vec![constant.clone()], ..case.clone() };
            if with_it.build().is_ok() {
                given.values = constant.values;
                continue;
            }
        }
        let rate = [0.0, 0.02, 0.2, 0.7, 1.0][draw.below(5) as usize];
        // Many values are 1, in some samples all are.
        let with_values = draw.chance(0.5);
        let value = |draw: &mut Draw| match draw.below(6) {
            _ if !with_values => 1,
            0 => -1,
            1 => -3,
            2 => 7,
            3 => 2,
            _ => 1,
        };
        let step = |draw: &mut Draw| {
            let neurons: Vec<u32> = (0..n).filter(|_| draw.chance(rate)).collect();
            neurons.into_iter().map(|neuron| (neuron, value(draw))).collect()
        };
        given.spikes.push((source, (0..case.steps).map(|_| step(draw)).collect()));
    }
    given
}
