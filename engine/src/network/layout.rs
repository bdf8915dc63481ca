/// How the neurons of a population are laid out for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A vector: neuron `i` is element `i`.
    Flat(u32),
    /// An image. Neurons are channels-last, `(y·width + x)·channels + c`; the user sees channels first.
    Image {
        /// Feature maps.
        channels: u32,
        /// Rows of pixels.
        height: u32,
        /// Columns of pixels.
        width: u32,
    },
}

impl Layout {
    /// The number of neurons, or `None` if it does not fit 32 bits.
    #[must_use]
    pub fn neurons(self) -> Option<u32> {
        match self {
            Self::Flat(n) => Some(n),
            Self::Image { channels, height, width } => channels.checked_mul(height)?.checked_mul(width),
        }
    }

    /// The shape the user sees: `[n]` or `[channels, height, width]`.
    #[must_use]
    pub fn shape(self) -> Vec<usize> {
        match self {
            Self::Flat(n) => vec![n as usize],
            Self::Image { channels, height, width } => {
                vec![channels as usize, height as usize, width as usize]
            }
        }
    }

    /// Where neuron `neuron` stands in the user's order (channels first).
    #[inline]
    #[must_use]
    pub fn user_index(self, neuron: usize) -> usize {
        match self {
            Self::Flat(_) => neuron,
            Self::Image { channels, height, width } => {
                let (channels, pixels) = (channels as usize, height as usize * width as usize);
                neuron % channels * pixels + neuron / channels
            }
        }
    }

    /// The neuron that stands at `index` in the user's order; the inverse of [`Layout::user_index`].
    #[inline]
    #[must_use]
    pub fn neuron_at(self, index: usize) -> usize {
        match self {
            Self::Flat(_) => index,
            Self::Image { channels, height, width } => {
                let (channels, pixels) = (channels as usize, height as usize * width as usize);
                index % pixels * channels + index / pixels
            }
        }
    }
}
