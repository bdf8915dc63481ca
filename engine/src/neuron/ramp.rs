/// The number of steps after which the bias ramp of every potential is folded into it.
pub const REBASE: u32 = 256;

/// Steps since the last re-base after `step` steps, the last one included: the `k` of the potential
/// `v = u + bias·k` as it stands after that step. 0 before the first step.
#[must_use]
pub fn ramp_steps(step: u64) -> u32 {
    match step {
        0 => 0,
        // Below REBASE, so it fits.
        _ => ((step - 1) % u64::from(REBASE)) as u32 + 1,
    }
}
