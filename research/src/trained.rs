use serde::Serialize;
use snn_converter::ConvertError;
use snn_converter::ann::Ann;
use snn_converter::forward::{ForwardError, logits};

use crate::proportion::{McNemar, Proportion};
use crate::read_out::first_largest;

/// Why a trained net has no classes for samples.
#[derive(Debug, thiserror::Error)]
pub enum TrainedError {
    /// The samples do not fit it.
    #[error(transparent)]
    Unfit(#[from] ConvertError),
    /// Its forward pass has no result.
    #[error(transparent)]
    Forward(#[from] ForwardError),
}

/// The trained net beside the spiking one, on the same samples.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Beside {
    /// How often the trained net names the label; none without labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Proportion>,
    /// How often both name the same class.
    pub agreement: Proportion,
    /// Whether they differ in accuracy: first the trained net, second the spiking one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcnemar: Option<McNemar>,
}

/// The classes that a trained net names for samples as it takes them
/// ([`as_trained`](snn_converter::convert::as_trained)): the largest output, the first among equals.
///
/// # Errors
/// If the samples do not fit the net, or its outputs are not finite.
pub fn trained_classes(ann: &Ann, samples: &[f32]) -> Result<Vec<usize>, ForwardError> {
    let outputs = logits(ann, samples)?;
    Ok(outputs.chunks_exact(ann.output_shape().elements().max(1)).map(first_largest).collect())
}

impl Beside {
    /// Compares classes of the same samples, and labels if there are any.
    #[must_use]
    pub fn of(trained: &[usize], spiking: &[usize], labels: Option<&[usize]>) -> Self {
        let pairs = || trained.iter().zip(spiking);
        let right = |labels: &[usize]| -> Vec<(bool, bool)> {
            pairs()
                .zip(labels)
                .map(|((trained, spiking), label)| (trained == label, spiking == label))
                .collect()
        };
        let right = labels.map(right);
        Self {
            accuracy: right
                .as_ref()
                .map(|right| Proportion::count(right.iter().map(|(trained, _)| *trained))),
            agreement: Proportion::count(pairs().map(|(trained, spiking)| trained == spiking)),
            mcnemar: right.map(McNemar::of),
        }
    }
}
