//! Figures of runs and studies: each as SVG and PDF, with the numbers that it shows.

mod chart;
mod of_run;
mod of_study;

pub use chart::{Colour, PALETTE};
pub use of_run::{Shown, of_run};
pub use of_study::of_study;

/// A figure with what it shows.
#[derive(Clone, Debug)]
pub struct Figure {
    /// A name for its files, of letters, digits, `-` and `_`.
    pub name: String,
    /// Its title.
    pub title: String,
    /// What is to be seen.
    pub caption: String,
    /// The drawing: SVG with the light colours of [`PALETTE`].
    pub svg: String,
    /// The same as PDF.
    pub pdf: Vec<u8>,
    /// The numbers behind it, as comma separated values with a head.
    pub csv: String,
}

/// Why a figure cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// The drawing is no PDF.
    #[error("figure `{figure}` cannot be written as PDF: {why}")]
    Pdf {
        /// The name of the figure.
        figure: String,
        /// The library's reason.
        why: String,
    },
    /// Its numbers are no table.
    #[error("figure `{figure}`: its numbers cannot be written: {why}")]
    Table {
        /// The name of the figure.
        figure: String,
        /// The library's reason.
        why: csv::Error,
    },
}
