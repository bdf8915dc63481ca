//! Max pooling: units that follow the largest rate among their inputs.

use super::connect::{Receiver, pool_maxima, scatter};
use super::node_planes;
use crate::affine::{AffineForm, LinearMap, Placed, Runs};
use crate::ann::{Ann, NodeId, Op, Window};
use snn_engine::{Connectivity, Layout, NetworkError};

/// A max pooling whose input is, channel by channel, one population times a factor plus a summand.
///
/// The maximum commutes with a factor that is not negative and the same at all positions of a channel, and with a summand;
/// so the units pass on rates, and factor and summand go behind them.
pub(super) struct Maxima {
    /// Populations and where they lie in the input.
    pub terms: Vec<(usize, Placed)>,
    /// The factor of every element of the output.
    pub scale: Runs,
    /// The summand of every element of the output.
    pub offset: Runs,
    window: Window,
    input: [usize; 3],
    output: [usize; 3],
}

impl Maxima {
    /// The pooling, if its input is of that form and none of its populations is the net's input, which may be a constant
    /// current and has no spikes.
    pub fn of(ann: &Ann, node: NodeId, input: &AffineForm, is_input: impl Fn(usize) -> bool) -> Option<Self> {
        let planes = node_planes(ann, ann.node(node).inputs[0]);
        let output = node_planes(ann, node);
        let [channels, height, width] = planes;
        let window = match &ann.node(node).op {
            Op::MaxPool(pool) => pool.window.clone(),
            _ => Window::of([height, width]),
        };
        let summands = input.shift.per(channels)?;
        let mut factors: Vec<Option<f64>> = vec![None; channels];
        let mut terms = Vec::new();
        for term in &input.terms {
            let LinearMap::Placed(placed) = &term.map else { return None };
            if is_input(term.population) {
                return None;
            }
            let placed = placed.viewed(planes).filter(|placed| placed.pool == [1, 1])?;
            let covers = placed.covers();
            for (of_region, factor) in placed.channel_scale()?.into_iter().enumerate() {
                let channel = placed.tensor_channel(of_region);
                let shifted = !covers && summands[channel] != 0.0;
                if factors[channel].replace(factor).is_some() || factor < 0.0 || shifted {
                    return None;
                }
            }
            terms.push((term.population, placed));
        }
        let elements = output.iter().product();
        let scale: Vec<f64> = factors.into_iter().map(|factor| factor.unwrap_or(0.0)).collect();
        Some(Self {
            terms,
            scale: Runs::new(elements, scale),
            offset: Runs::new(elements, summands),
            window,
            input: planes,
            output,
        })
    }

    /// The synapses of one of the populations: weights of 1 from every neuron in a window to the window's unit.
    pub fn connect(
        &self,
        source: Layout,
        target: Layout,
        placed: &Placed,
    ) -> Result<Connectivity, NetworkError> {
        let window = &self.window;
        let shared = pool_maxima(source, target, placed, window, self.output)?;
        if let Some(shared) = shared {
            return Ok(shared);
        }
        let ones = Placed { scale: Runs::same(placed.scale.elements(), 1.0), ..placed.clone() };
        let ones = LinearMap::Placed(ones);
        let [_, height, width] = self.input;
        let [_, rows, columns] = self.output;
        let same = Runs::same(self.output.iter().product(), 1.0);
        let receiver = Receiver { layout: target, scale: &same };
        scatter(source, &receiver, |unit, each| {
            let (channel, y, x) = (unit / (rows * columns), unit / columns % rows, unit % columns);
            for ky in window.inside(0, y, height) {
                let at_y = y * window.stride[0] + ky * window.dilation[0] - window.before[0];
                for kx in window.inside(1, x, width) {
                    let at_x = x * window.stride[1] + kx * window.dilation[1] - window.before[1];
                    ones.row((channel * height + at_y) * width + at_x, each);
                }
            }
        })
    }
}
