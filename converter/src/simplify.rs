//! Rewriting a net into one that computes the same with fewer nodes, in ordered passes.
//!
//! Each pass is exact in real numbers; in `f32` a folded weight is rounded once. The passes, in this order:
//!
//! 1. [`Pass::Maxima`]: `act(max(x))` becomes `max(act(x))`, since a maximum commutes with every increasing function;
//!    conv → pool → ReLU, as PyTorch's MNIST example has it, becomes conv → ReLU → pool. An increasing per-channel map
//!    between the two moves along.
//! 2. [`Pass::Views`]: consecutive views and transpositions are merged, those that change nothing are dropped; a linear map
//!    behind a transposition takes its inputs where these were before.
//! 3. [`Pass::Pads`]: zeros before a convolution become its own padding; zeros around values that are never negative
//!    become the padding of a max pool behind them.
//! 4. [`Pass::AffineBehind`]: an affine map is merged with the one before it, or folded into the convolution or linear map
//!    before it, if that feeds nothing else.
//! 5. [`Pass::AffineBefore`]: an affine map is folded into a linear map or an *unpadded* convolution behind it. The padding
//!    of a convolution is zero *after* the map, so that a shift cannot be folded at the border; such a map stays for the
//!    lowering to compose.
//! 6. [`Pass::Views`] again: what stood between two views may have been folded away.
//!
//! What the output does not need is removed after each pass.

mod affine;
mod graph;
mod maxima;
mod pads;
mod views;

use crate::ann::{Ann, AnnError};
use graph::Graph;

/// One of the rewritings; see the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Activations move before maxima.
    Maxima,
    /// Views and transpositions are merged.
    Views,
    /// Zeros become padding.
    Pads,
    /// Affine maps are folded into what is before them.
    AffineBehind,
    /// Affine maps are folded into what is behind them.
    AffineBefore,
}

impl Pass {
    /// All passes in their order.
    pub const ALL: [Pass; 6] =
        [Pass::Maxima, Pass::Views, Pass::Pads, Pass::AffineBehind, Pass::AffineBefore, Pass::Views];

    /// The net after this pass, without what its output does not need.
    ///
    /// # Errors
    /// If a folded number leaves the range of `f32`.
    pub fn apply(self, ann: &Ann) -> Result<Ann, AnnError> {
        self.rewrite(ann.clone())
    }

    /// As [`apply`](Self::apply); weights that no one else holds are freed when they are replaced.
    fn rewrite(self, ann: Ann) -> Result<Ann, AnnError> {
        let decisions = ann.decisions().to_vec();
        let mut graph = Graph::of(ann);
        match self {
            Pass::Maxima => maxima::behind_activations(&mut graph),
            Pass::Views => {
                views::merge(&mut graph);
                views::turn_weights(&mut graph);
            }
            Pass::Pads => pads::absorb(&mut graph),
            Pass::AffineBehind => affine::fold_backwards(&mut graph),
            Pass::AffineBefore => affine::fold_forwards(&mut graph),
        }
        let mut simplified = graph.finish()?;
        simplified.set_decisions(decisions);
        Ok(simplified)
    }
}

/// All passes in order. O(size of the weights + nodes).
///
/// # Errors
/// If a folded number leaves the range of `f32`.
pub fn simplify(ann: &Ann) -> Result<Ann, AnnError> {
    Pass::ALL.iter().try_fold(ann.clone(), |net, pass| pass.rewrite(net))
}
