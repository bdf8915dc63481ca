//! The sliding window of a convolution or a pooling.

use std::ops::Range;

/// A sliding window over `[height, width]`; one-dimensional windows have height 1.
///
/// Output position `o` along an axis sees the inputs `o·stride + tap·dilation − pad_before` for the taps
/// `0 … kernel − 1`; those outside of the input are padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Number of taps, `[height, width]`, at least 1.
    pub kernel: [usize; 2],
    /// Distance between windows, `[height, width]`, at least 1.
    pub stride: [usize; 2],
    /// Distance between taps, `[height, width]`, at least 1.
    pub dilation: [usize; 2],
    /// Padding before the first row and column, `[top, left]`.
    pub before: [usize; 2],
    /// Padding after the last row and column, `[bottom, right]`.
    pub after: [usize; 2],
}

impl Window {
    /// A window of stride 1 without dilation and padding.
    pub fn of(kernel: [usize; 2]) -> Self {
        Window { kernel, stride: [1, 1], dilation: [1, 1], before: [0, 0], after: [0, 0] }
    }

    /// Inputs that the window spans, `[height, width]`.
    pub fn span(&self) -> [usize; 2] {
        [0, 1].map(|axis| (self.kernel[axis] - 1) * self.dilation[axis] + 1)
    }

    /// Whether any padding is asked for.
    pub fn is_padded(&self) -> bool {
        self.before != [0, 0] || self.after != [0, 0]
    }

    /// The number of output positions `[height, width]` for the given input `[height, width]`.
    ///
    /// With `ceil_mode` a last window may begin inside the input (or its leading padding) and end beyond the trailing
    /// padding; a window that would begin in the trailing padding is left out, as PyTorch does.
    ///
    /// # Errors
    /// A sentence, if an extent is zero or too large, or the window does not fit into the padded input.
    pub fn output(&self, input: [usize; 2], ceil_mode: bool) -> Result<[usize; 2], String> {
        const LIMIT: usize = 1 << 24;
        let mut output = [0; 2];
        for axis in 0..2 {
            let (kernel, stride, dilation) = (self.kernel[axis], self.stride[axis], self.dilation[axis]);
            let (before, after) = (self.before[axis], self.after[axis]);
            if kernel == 0 || stride == 0 || dilation == 0 {
                return Err(format!(
                    "kernel {:?}, stride {:?} and dilation {:?} must be at least 1",
                    self.kernel, self.stride, self.dilation
                ));
            }
            if [kernel, stride, dilation, before, after, input[axis]].iter().any(|&n| n > LIMIT) {
                return Err(format!("{self:?} over {input:?} exceeds the limit of {LIMIT} per axis"));
            }
            // Each factor is at most 2^24, so the products fit into 64 bits.
            let span = (kernel as u64 - 1) * dilation as u64 + 1;
            let padded = (input[axis] + before + after) as u64;
            if span > padded {
                return Err(format!(
                    "a window of {span} does not fit into an input of {} padded by {before} and {after}",
                    input[axis]
                ));
            }
            let room = (padded - span) as usize;
            output[axis] = room / stride + 1;
            if ceil_mode && !room.is_multiple_of(stride) && output[axis] * stride < input[axis] + before {
                output[axis] += 1;
            }
        }
        Ok(output)
    }

    /// The taps of output position `out` along `axis` (0: height, 1: width) that fall into an input of `extent`
    /// (the others are padding): tap `t` of the range sees input `out·stride + t·dilation − before`.
    pub fn inside(&self, axis: usize, out: usize, extent: usize) -> Range<usize> {
        let start = out * self.stride[axis];
        let (before, dilation) = (self.before[axis], self.dilation[axis]);
        let first = before.saturating_sub(start).div_ceil(dilation);
        // Taps with start + t·dilation < extent + before.
        let end = (extent + before).saturating_sub(start).div_ceil(dilation).min(self.kernel[axis]);
        first.min(end)..end
    }

    /// Whether one of the `output` `[height, width]` positions sees nothing of an `input` `[height, width]`.
    pub fn lies_in_padding(&self, output: [usize; 2], input: [usize; 2]) -> bool {
        (0..2).any(|axis| (0..output[axis]).any(|out| self.inside(axis, out, input[axis]).is_empty()))
    }

    /// The number of taps of output position `out` along `axis` that fall into the input or its declared padding;
    /// in `ceil_mode` a last window may reach beyond both.
    pub fn inside_padded(&self, axis: usize, out: usize, extent: usize) -> usize {
        let start = out * self.stride[axis];
        let end = extent + self.before[axis] + self.after[axis];
        end.saturating_sub(start).div_ceil(self.dilation[axis]).min(self.kernel[axis])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_taps_inside_are_those_of_a_direct_count() {
        for kernel in 1..5 {
            for stride in 1..4 {
                for dilation in 1..4 {
                    for before in 0..5 {
                        for after in 0..3 {
                            for extent in 1..7 {
                                let mut window = Window::of([kernel, 1]);
                                window.stride[0] = stride;
                                window.dilation[0] = dilation;
                                window.before[0] = before;
                                window.after[0] = after;
                                let Ok([outputs, 1]) = window.output([extent, 1], true) else {
                                    continue;
                                };
                                for out in 0..outputs {
                                    let at = |tap: usize| out * stride + tap * dilation;
                                    let inside: Vec<_> = (0..kernel)
                                        .filter(|&t| at(t) >= before && at(t) < extent + before)
                                        .collect();
                                    assert_eq!(window.inside(0, out, extent).collect::<Vec<_>>(), inside);
                                    let padded =
                                        (0..kernel).filter(|&t| at(t) < extent + before + after).count();
                                    assert_eq!(window.inside_padded(0, out, extent), padded);
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_window_larger_than_its_input_is_refused() {
        assert!(Window::of([3, 3]).output([2, 5], false).is_err());
    }

    #[test]
    fn ceil_mode_drops_a_window_that_begins_in_the_trailing_padding() {
        // PyTorch: pooled length of 3 with kernel 2, stride 3, padding 1 in ceil mode is 2, not 3.
        let window =
            Window { kernel: [1, 2], stride: [1, 3], dilation: [1, 1], before: [0, 1], after: [0, 1] };
        assert_eq!(window.output([1, 3], true).unwrap(), [1, 2]);
        assert_eq!(Window { stride: [1, 2], ..Window::of([1, 2]) }.output([1, 5], true).unwrap(), [1, 3]);
    }
}
