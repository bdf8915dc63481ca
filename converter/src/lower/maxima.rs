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

/// Reason and hint.
type Obstacle = (String, String);

impl Maxima {
    /// Checks that the input of a max pooling is of that form.
    pub fn of(
        ann: &Ann,
        node: NodeId,
        input: &AffineForm,
        is_input: impl Fn(usize) -> bool,
    ) -> Result<Self, Obstacle> {
        let before = ann.node(node).inputs[0];
        let planes = node_planes(ann, before);
        let output = node_planes(ann, node);
        let [channels, height, width] = planes;
        let window = match &ann.node(node).op {
            Op::MaxPool(pool) => pool.window.clone(),
            _ => Window::of([height, width]),
        };
        let mixed = || {
            (
                format!(
                    "its input (node `{}`) is not spikes: it is a weighted sum without an activation",
                    ann.node(before).name
                ),
                "put the activation before the pooling (they commute if it is monotone)".to_string(),
            )
        };
        let summands = input.shift.per(channels).ok_or_else(|| {
            let reason = "its input is shifted differently from position to position".to_string();
            (reason, "put an activation before the pooling".to_string())
        })?;
        let mut factors: Vec<Option<f64>> = vec![None; channels];
        let mut terms = Vec::new();
        for term in &input.terms {
            if is_input(term.population) {
                return Err((
                    "it pools the net's input, which may be a constant current and has no rate".into(),
                    "pool the images beforehand and convert the rest of the net".into(),
                ));
            }
            let LinearMap::Placed(placed) = &term.map else {
                return Err(mixed());
            };
            let placed = placed.viewed(planes).filter(|placed| placed.pool == [1, 1]).ok_or_else(mixed)?;
            let own = placed.channel_scale().ok_or_else(mixed)?;
            let covers = placed.covers();
            for (channel, factor) in (placed.at[0]..).zip(own) {
                if factors[channel].is_some() {
                    return Err(mixed());
                }
                if factor < 0.0 {
                    return Err((
                        format!(
                            "channel {channel} of its input has the negative factor {factor}, so its maximum is a minimum of rates"
                        ),
                        "move the batch normalisation or multiplication behind the pooling".into(),
                    ));
                }
                if !covers && summands[channel] != 0.0 {
                    return Err((
                        "its input is shifted and then padded with zeros".into(),
                        "let the pooling itself pad".into(),
                    ));
                }
                factors[channel] = Some(factor);
            }
            terms.push((term.population, placed));
        }
        let elements = output.iter().product();
        let scale: Vec<f64> = factors.into_iter().map(|factor| factor.unwrap_or(0.0)).collect();
        Ok(Self {
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
