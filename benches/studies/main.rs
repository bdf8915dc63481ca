//! The studies behind `benches/record` and `docs/speed.md`: prints Markdown tables, and draws the chart.
//!
//! `cargo bench --bench studies -- cases cells scale batch short single job --chart docs/speed.svg > tables.md`; without names of
//! studies, all are made. Everything runs on one thread but the studies of batches and single samples, contenders take turns, and
//! the best of many runs counts, in processor time.

#[path = "../speed/cases.rs"]
mod cases;
mod chart;
mod tables;

use std::time::Duration;

/// Seconds that each network is studied for.
const SECONDS: u64 = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` runs this without `--bench`: everything once, small.
    if !arguments.iter().any(|argument| argument == "--bench") {
        tables::check();
        return;
    }
    let chart = arguments.iter().position(|argument| argument == "--chart");
    let chart_path = chart.and_then(|at| arguments.get(at + 1));
    let names: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|name| !name.starts_with("--") && Some(*name) != chart_path.map(String::as_str))
        .collect();
    let wanted = |name: &str| names.is_empty() || names.contains(&name);
    let time = Duration::from_secs(SECONDS);
    if wanted("cases") {
        println!("{}", tables::nine(time));
    }
    if wanted("cells") {
        let cells = tables::cells(time / 3);
        println!("{}", tables::cells_text(&cells));
        if let Some(path) = chart_path {
            std::fs::write(path, chart::draw(&cells)).unwrap_or_else(|error| panic!("{path}: {error}"));
        }
    }
    if wanted("scale") {
        println!("{}", tables::scale(&[1_000, 3_162, 10_000, 31_623], time));
    }
    if wanted("batch") {
        println!("{}", tables::batch(64, 40));
    }
    if wanted("short") {
        println!("{}", tables::short_runs(256, 30));
    }
    if wanted("single") {
        println!("{}", tables::single(&tables::SINGLE, time));
    }
    if wanted("job") {
        println!("{}", tables::job(time));
    }
}
