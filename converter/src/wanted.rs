//! Whether a conversion that is under way is still wanted.

use std::fmt;

use snn_engine::NetworkError;

/// Asked again and again while something long is computed, from any of its threads, many times in a tenth of a second.
#[derive(Clone, Copy, Default)]
pub struct Wanted<'a>(Option<&'a (dyn Fn() -> bool + Sync)>);

impl fmt::Debug for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "wanted as long as asked" } else { "wanted" })
    }
}

/// Nobody wants it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopped before its end, as was asked")]
pub struct Stopped;

impl<'a> Wanted<'a> {
    /// To the end.
    #[must_use]
    pub fn always() -> Self {
        Self(None)
    }

    /// As long as `so` is true. It should cost no more than the reading of an atomic number.
    #[must_use]
    pub fn as_long_as(so: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self(Some(so))
    }

    /// Looks whether it is.
    ///
    /// # Errors
    /// [`Stopped`] if not.
    pub fn check(self) -> Result<(), Stopped> {
        match self.0 {
            Some(so) if !so() => Err(Stopped),
            _ => Ok(()),
        }
    }
}

/// What ends a run of samples within a conversion.
#[derive(Debug)]
pub(crate) enum RunEnd {
    Unfit(NetworkError),
    Stopped(Stopped),
}

impl From<NetworkError> for RunEnd {
    fn from(error: NetworkError) -> Self {
        Self::Unfit(error)
    }
}

impl From<Stopped> for RunEnd {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}
