use std::fmt;

/// What a [`NetworkError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NetworkErrorKind {
    /// Populations, projections or parameters do not make a network.
    Network,
    /// Samples, currents or spikes do not fit the network.
    Input,
    /// A state is damaged, or is none of this network.
    State,
}

/// Why something is not a network, a stimulus or a state of this network.
///
/// The text names the place, what was found there and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct NetworkError {
    kind: NetworkErrorKind,
    at: String,
    what: String,
}

impl NetworkError {
    /// An error of a network at a place, for instance at ``population `layer0` ``.
    pub fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { kind: NetworkErrorKind::Network, at: at.into(), what: what.into() }
    }

    /// An error of an input at a place, for instance at `input[3]`.
    pub fn of_input(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { kind: NetworkErrorKind::Input, ..Self::new(at, what) }
    }

    /// An error of a state at a place.
    pub fn of_state(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { kind: NetworkErrorKind::State, ..Self::new(at, what) }
    }

    /// What it is about.
    #[must_use]
    pub fn kind(&self) -> NetworkErrorKind {
        self.kind
    }

    /// The same error, told from further outside.
    #[must_use]
    pub fn within(self, outer: impl fmt::Display) -> Self {
        Self { at: format!("{outer}: {}", self.at), ..self }
    }

    /// Where it is wrong.
    #[must_use]
    pub fn at(&self) -> &str {
        &self.at
    }

    /// What was found and what is allowed.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at, self.what)
    }
}
