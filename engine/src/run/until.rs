/// How long a sample is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// So many steps.
    Steps(u32),
    /// Until the network is quiet ([`State::is_quiet`](crate::State::is_quiet)), at most so many steps.
    Quiet {
        /// The most steps.
        limit: u32,
    },
}

impl Until {
    /// The most steps that it may take.
    #[must_use]
    pub fn most(self) -> u32 {
        match self {
            Self::Steps(steps) | Self::Quiet { limit: steps } => steps,
        }
    }
}

impl From<u32> for Until {
    fn from(steps: u32) -> Self {
        Self::Steps(steps)
    }
}
