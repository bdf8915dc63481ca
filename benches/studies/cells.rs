//! One layer at every density and rate.

use std::fmt::Write;
use std::time::Duration;

use crate::nets::{run, square};
use crate::numbers::{kernels, ms, ratio, seconds};

/// Densities of the cells.
pub const DENSITIES: [f64; 7] = [1.0, 0.5, 0.3, 0.1, 0.05, 0.02, 0.01];
/// Rates of the cells.
pub const RATES: [f64; 6] = [0.2, 0.1, 0.05, 0.02, 0.01, 0.001];

/// One density and rate of a population of 1200 behind 1200.
pub struct Cell {
    pub density: f64,
    pub rate: f64,
    /// Seconds per sample of the simulator, the scatter loop and the dense product.
    pub seconds: [f64; 3],
    pub kernel: String,
}

/// Studies one density and rate.
pub fn cell(density: f64, rate: f64, time: Duration) -> Cell {
    let study = run(&square(1200, density, rate), rate, 2, time);
    Cell { density, rate, seconds: seconds(&study), kernel: kernels(&study) }
}

/// Every density with every rate.
pub fn cells(time: Duration) -> Vec<Cell> {
    let pairs = DENSITIES.iter().flat_map(|&density| RATES.iter().map(move |&rate| (density, rate)));
    pairs.map(|(density, rate)| cell(density, rate, time)).collect()
}

/// The cells as two tables: time with kernel, and how many times faster than the scatter loop and the dense product.
pub fn text(cells: &[Cell]) -> String {
    let mut text = String::new();
    let mut table = |title: &str, of: &dyn Fn(&Cell) -> String| {
        let _ = write!(text, "{title}\n\n| density |");
        RATES.iter().for_each(|rate| _ = write!(text, " rate {} % |", rate * 100.0));
        let _ = writeln!(text, "\n|---:|{}", "---:|".repeat(RATES.len()));
        for row in cells.chunks(RATES.len()) {
            let _ = write!(text, "| {} |", row[0].density);
            row.iter().for_each(|cell| _ = write!(text, " {} |", of(cell)));
            text.push('\n');
        }
        text.push('\n');
    };
    table("Milliseconds a sample, and the kernel chosen", &|cell| {
        format!("{} {}", ms(cell.seconds[0]), cell.kernel)
    });
    table("Times faster than the scatter loop", &|cell| ratio(cell.seconds[1] / cell.seconds[0]));
    table("Times faster than the dense product over all steps", &|cell| {
        ratio(cell.seconds[2] / cell.seconds[0])
    });
    text
}
