//! The studies behind `benches/record` and `docs/speed.md`: prints Markdown tables, and draws the chart.
//!
//! `cargo bench --bench studies -- cases choice cells scale batch short single job models recurrent few-steps --chart docs/speed.svg > tables.md`;
//! without names of studies, all but few-steps are made. Everything runs on one thread but the studies of batches and single samples, contenders take turns, and
//! the best of many runs counts, in processor time.

mod batches;
#[path = "../speed/cases.rs"]
mod cases;
mod cells;
mod chart;
mod choice;
mod few;
mod layers;
mod models;
mod nets;
mod numbers;
mod recurrent;

use std::time::Duration;

/// Seconds that each network is studied for.
const SECONDS: u64 = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` runs this without `--bench`: everything once, small.
    if !arguments.iter().any(|argument| argument == "--bench") {
        check();
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
        println!("{}", layers::nine(time));
    }
    if wanted("choice") {
        println!("{}", choice::choice(&choice::all(), time));
    }
    if wanted("cells") {
        let every = cells::cells(time / 3);
        println!("{}", cells::text(&every));
        if let Some(path) = chart_path {
            std::fs::write(path, chart::draw(&every)).unwrap_or_else(|error| panic!("{path}: {error}"));
        }
    }
    if wanted("scale") {
        println!("{}", layers::scale(&[1_000, 3_162, 10_000, 31_623], time));
    }
    if wanted("batch") {
        println!("{}", batches::batch(64, 40));
    }
    if wanted("short") {
        println!("{}", batches::short_runs(256, 30));
    }
    if wanted("single") {
        println!("{}", batches::single(&batches::SINGLE, time));
    }
    if wanted("recurrent") {
        println!("{}", recurrent::recurrent(&recurrent::NETS, time));
    }
    if wanted("models") {
        println!("{}", models::models(time));
    }
    // Half an hour: only if it is asked for, all nets or one, as `few-steps=resnet20-dense`.
    for name in names.iter().filter_map(|name| name.strip_prefix("few-steps")) {
        println!("{}", few::few_steps(name.strip_prefix('=')));
    }
    if wanted("job") {
        println!("{}", layers::job(time));
    }
}

/// Every table and the chart once, as small as they get; what they say must be whole.
fn check() {
    let short = Duration::from_millis(1);
    let some: Vec<cells::Cell> = cells::DENSITIES[..2]
        .iter()
        .flat_map(|&density| cells::RATES.map(|_| cells::cell(density, 0.05, short)))
        .take(6)
        .collect();
    let text = cells::text(&some);
    assert!(text.contains("| 1 | ") && !text.contains("NaN"), "{text}");
    let chart = chart::draw(&some);
    assert!(chart.starts_with("<svg") && chart.ends_with("</svg>\n") && !chart.contains("NaN"), "{chart}");
    let text = layers::scale(&[300], short);
    assert!(text.contains("| 300² | "), "{text}");
    let text = batches::batch(4, 1);
    assert!(text.contains("4 samples"), "{text}");
    let text = batches::short_runs(4, 1);
    assert!(text.contains("| 16 | 4 | ") && !text.contains("inf"), "{text}");
    let text = batches::single(&[(300, 0.1, 0.05)], short);
    assert!(text.contains("| Rows | ") && text.contains("| TimeLanes | "), "{text}");
    // The smallest of them.
    let mut some = choice::all();
    let text = choice::choice(&some.split_off(some.len() - 4)[..1], short);
    assert!(
        text.contains("| 32→32, 3×3 on 8², ") && !text.contains("NaN") && !text.contains("inf"),
        "{text}"
    );
    let text = models::models(short);
    assert!(text.contains("| windows | ") && !text.contains("inf"), "{text}");
    let text = recurrent::recurrent(
        &[1, 2].map(|delay| recurrent::Net { neurons: 300, delay, bias: 0.04, floor: 0.0 }),
        short,
    );
    assert!(text.contains("| 300 | 2 | ") && !text.contains("NaN"), "{text}");
}
