//! A quantised activation.

/// Relative deviation that counts as rounding of the constants in the file.
pub(super) const ROUNDING: f64 = 1e-6;

/// QCFS behind a scalar map `gain·x + lead`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quantiser {
    pub(super) gain: f64,
    pub(super) lead: f64,
    pub(super) levels: u32,
    pub(super) theta: f32,
}

impl Quantiser {
    /// Whether nothing stands before the QCFS.
    pub(super) fn is_plain(&self) -> bool {
        (self.gain - 1.0).abs() <= ROUNDING && self.lead.abs() <= ROUNDING * f64::from(self.theta)
    }
}
