//! Why a conversion gives no network.

use crate::expect::ExpectError;
use crate::forward::ForwardError;
use crate::import::Refusal;
use crate::wanted::{RunEnd, Stopped};
use snn_engine::NetworkError;
use std::fmt;

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// Nodes that cannot become part of a spiking network: all of them.
    #[error("{}", list(.0))]
    Refused(Vec<Refusal>),
    /// The method looks at activations, and there are no samples.
    #[error(
        "scales are chosen from activations (node `{node}`), which needs calibration samples; give some, or choose trained \
         thresholds (qcfs) or none, which need no samples"
    )]
    NoSamples {
        /// The first activation that needs them.
        node: String,
    },
    /// An option, or the number of samples or labels, does not fit.
    #[error("{0}")]
    Unfit(String),
    /// The net cannot be evaluated on the samples.
    #[error("calibration: {0}")]
    Forward(ForwardError),
    /// It is not wanted any more.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The net that was read is not the one that was trained, or the outputs expected of it do not fit.
    #[error("{0}")]
    Expect(ExpectError),
    /// The numbers do not make a network.
    #[error("{0}")]
    Network(#[from] NetworkError),
}

/// What a [`ConvertError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConvertErrorKind {
    /// Something of the model has no spiking counterpart.
    Model,
    /// Samples, labels or expected outputs are missing or do not fit, or an option does not.
    Input,
    /// Numbers that are not finite, or too large.
    Numbers,
    /// The net that was read is not the one that was trained.
    Differs,
    /// The work was stopped from outside.
    Stopped,
}

impl ConvertError {
    /// What it is about.
    #[must_use]
    pub fn kind(&self) -> ConvertErrorKind {
        match self {
            Self::Refused(_) => ConvertErrorKind::Model,
            Self::NoSamples { .. }
            | Self::Unfit(_)
            | Self::Forward(ForwardError::Length { .. })
            | Self::Expect(ExpectError::Unfit(_) | ExpectError::Forward(ForwardError::Length { .. })) => {
                ConvertErrorKind::Input
            }
            Self::Forward(ForwardError::NotFinite { .. })
            | Self::Expect(ExpectError::Forward(ForwardError::NotFinite { .. }))
            | Self::Network(_) => ConvertErrorKind::Numbers,
            Self::Expect(ExpectError::Differs(_)) => ConvertErrorKind::Differs,
            Self::Stopped(_)
            | Self::Forward(ForwardError::Stopped(_))
            | Self::Expect(ExpectError::Forward(ForwardError::Stopped(_))) => ConvertErrorKind::Stopped,
        }
    }
}

impl From<ForwardError> for ConvertError {
    fn from(error: ForwardError) -> Self {
        match error {
            ForwardError::Stopped(stopped) => Self::Stopped(stopped),
            other => Self::Forward(other),
        }
    }
}

impl From<ExpectError> for ConvertError {
    fn from(error: ExpectError) -> Self {
        match error {
            ExpectError::Forward(ForwardError::Stopped(stopped)) => Self::Stopped(stopped),
            other => Self::Expect(other),
        }
    }
}

impl From<RunEnd> for ConvertError {
    fn from(end: RunEnd) -> Self {
        match end {
            RunEnd::Unfit(error) => Self::Network(error),
            RunEnd::Stopped(stopped) => Self::Stopped(stopped),
        }
    }
}

fn list(refusals: &[Refusal]) -> impl fmt::Display {
    let mut text =
        format!("{} node{} cannot be converted:", refusals.len(), if refusals.len() == 1 { "" } else { "s" });
    for refusal in refusals {
        text.push_str(&format!("\n  {refusal}"));
    }
    text
}
