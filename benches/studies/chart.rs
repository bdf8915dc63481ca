//! The chart of docs/speed.md: time per sample against rate, a line for each density, beside the dense product.

use std::fmt::Write;

use crate::cells::Cell;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 600.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 400.0;

/// Rates at the left and right edge.
const RATES: [f64; 2] = [0.0008, 0.25];
/// Milliseconds at the lower and upper edge.
const TIMES: [f64; 2] = [0.01, 20.0];

/// Colours that differ for the colour-blind, too (Okabe and Ito 2008).
const COLOURS: [&str; 7] = ["#000000", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00"];

/// The place of a number between two others on a logarithmic axis.
fn place(value: f64, [low, high]: [f64; 2], [from, to]: [f64; 2]) -> f64 {
    from + (to - from) * (value / low).ln() / (high / low).ln()
}

fn point(cell: &Cell, seconds: f64) -> (f64, f64) {
    (place(cell.rate, RATES, [LEFT, RIGHT]), place(seconds * 1e3, TIMES, [BOTTOM, TOP]))
}

fn line(cells: &[&Cell], of: usize) -> String {
    let points = cells.iter().map(|cell| point(cell, cell.seconds[of]));
    points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
}

/// An SVG of all cells. The dense product is one line: the best time of any density at each rate.
pub fn draw(cells: &[Cell]) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n<text x=\"{LEFT}\" y=\"22\" \
         font-size=\"15\">One sample, 256 steps, 1200 × 1200 neurons, one thread</text>\n"
    );
    for time in [0.01, 0.1, 1.0, 10.0] {
        let y = place(time, TIMES, [BOTTOM, TOP]);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {y:.1}H{RIGHT}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{time} \
             ms</text>",
            LEFT - 6.0,
            y + 4.0
        );
    }
    for rate in [0.001, 0.01, 0.1] {
        let x = place(rate, RATES, [LEFT, RIGHT]);
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {TOP}V{BOTTOM}\" stroke=\"#ddd\"/><text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{} \
             %</text>",
            BOTTOM + 18.0,
            rate * 100.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">spikes per neuron and step</text>",
        f64::midpoint(LEFT, RIGHT),
        BOTTOM + 40.0
    );
    let mut densities: Vec<f64> = cells.iter().map(|cell| cell.density).collect();
    densities.dedup();
    let mut legend = TOP + 10.0;
    let mut entry = |svg: &mut String, colour: &str, dashes: &str, text: &str| {
        let (x, end) = (RIGHT + 14.0, RIGHT + 38.0);
        let _ = writeln!(
            svg,
            "<path d=\"M{x} {legend}H{end}\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/><text x=\"{}\" \
             y=\"{}\">{text}</text>",
            end + 6.0,
            legend + 4.0
        );
        legend += 22.0;
    };
    const DASHES: &str = " stroke-dasharray=\"6 4\"";
    entry(&mut svg, "#888", DASHES, "dense product");
    // The product does not depend on the weights, so the best of all densities is its time.
    let first: Vec<&Cell> = cells.iter().filter(|cell| cell.density == densities[0]).collect();
    let points = first.iter().map(|cell| {
        let same = cells.iter().filter(|other| other.rate == cell.rate);
        let (x, y) = point(cell, same.map(|other| other.seconds[2]).fold(f64::INFINITY, f64::min));
        format!("{x:.1},{y:.1}")
    });
    let points = points.collect::<Vec<_>>().join(" ");
    let _ = writeln!(
        svg,
        "<polyline points=\"{points}\" fill=\"none\" stroke=\"#888\" stroke-width=\"2\"{DASHES}/>"
    );
    for (density, colour) in densities.iter().zip(COLOURS) {
        let of_density: Vec<&Cell> = cells.iter().filter(|cell| cell.density == *density).collect();
        entry(&mut svg, colour, "", &format!("density {density}"));
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            line(&of_density, 0)
        );
    }
    svg.push_str("</svg>\n");
    svg
}
