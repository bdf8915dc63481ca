use std::fmt;

/// Why something is not a network, a stimulus or a state of this network.
///
/// The text names the place, what was found there and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct NetworkError {
    at: String,
    what: String,
}

impl NetworkError {
    /// An error at a place, for instance at ``population `layer0` ``.
    pub fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { at: at.into(), what: what.into() }
    }

    /// The same error, told from further outside.
    #[must_use]
    pub fn within(self, outer: impl fmt::Display) -> Self {
        Self { at: format!("{outer}: {}", self.at), what: self.what }
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
