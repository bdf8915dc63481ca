//! One function for each table of the record.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use snn_engine::random::{Plan, RandomNetwork};
use snn_engine::*;
use snn_rivals::{Study, study};

use crate::cases::{self, STEPS};

/// Densities of the cells.
pub const DENSITIES: [f64; 7] = [1.0, 0.5, 0.3, 0.1, 0.05, 0.02, 0.01];
/// Rates of the cells.
pub const RATES: [f64; 6] = [0.2, 0.1, 0.05, 0.02, 0.01, 0.001];

/// Sizes, densities and rates at which one sample is spread over threads.
pub const SINGLE: [(u32, f64, f64); 7] = [
    (300, 0.1, 0.05),
    (600, 0.1, 0.05),
    (1200, 0.1, 0.02),
    (1200, 0.3, 0.05),
    (1200, 0.1, 0.1),
    (4096, 0.1, 0.02),
    (10_000, 0.1, 0.02),
];

/// One density and rate of a population of 1200 behind 1200.
pub struct Cell {
    pub density: f64,
    pub rate: f64,
    /// Seconds per sample of the simulator, the scatter loop and the dense product.
    pub seconds: [f64; 3],
    pub kernel: String,
}

fn seconds(study: &Study) -> [f64; 3] {
    let of = |rival: &Result<snn_rivals::Times, _>| rival.as_ref().map_or(f64::NAN, |times| times.best());
    [study.layers.best(), of(&study.scatter), of(&study.dense)]
}

fn kernels(study: &Study) -> String {
    let names = study.each.iter().map(|layer| match layer.delivery {
        Some(delivery) => format!("{delivery:?}"),
        None => "steps".to_owned(),
    });
    names.collect::<Vec<_>>().join(", ")
}

/// Milliseconds; `–` if there are none.
fn ms(seconds: f64) -> String {
    if seconds.is_nan() { "–".to_owned() } else { format!("{:.3}", seconds * 1e3) }
}

fn ratio(times: f64) -> String {
    if times.is_nan() { "–".to_owned() } else { format!("{times:.2}") }
}

fn run(network: &Arc<Network>, rate: f64, samples: usize, time: Duration) -> Study {
    let input = cases::input(network, rate, samples);
    study(network, &input, samples, STEPS, time).unwrap_or_else(|error| panic!("{error}"))
}

/// The cases of the record.
pub fn nine(time: Duration) -> String {
    let mut text = String::from(
        "| case, T = 256 | ms a sample | scatter loop | dense product | faster than dense | floor | faster than scatter | \
         of the scatter limit | kernel |\n|---|---:|---:|---:|---:|---:|---:|---:|---|\n",
    );
    for case in cases::all() {
        let study = run(&case.network(), case.rate, 2, time);
        let [ours, scatter, dense] = seconds(&study);
        let operations = study.statistics.total().synaptic_operations as f64 / study.samples as f64;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | **{}** | {} | {} | {:.2} | {} |",
            case.name,
            ms(ours),
            ms(scatter),
            ms(dense),
            ratio(dense / ours),
            case.floor,
            ratio(scatter / ours),
            operations / ours / study.limit,
            kernels(&study)
        );
    }
    text
}

fn square(size: u32, density: f64, rate: f64) -> Arc<Network> {
    let plan = Plan::Layers(vec![size, size]);
    let recipe = RandomNetwork { plan, density, rate, bias: 0.0, firing_output: true, seed: 1 };
    Arc::new(recipe.make().unwrap_or_else(|error| panic!("{error}")).0)
}

fn cell(density: f64, rate: f64, time: Duration) -> Cell {
    let study = run(&square(1200, density, rate), rate, 2, time);
    Cell { density, rate, seconds: seconds(&study), kernel: kernels(&study) }
}

/// Every density with every rate.
pub fn cells(time: Duration) -> Vec<Cell> {
    let pairs = DENSITIES.iter().flat_map(|&density| RATES.iter().map(move |&rate| (density, rate)));
    pairs.map(|(density, rate)| cell(density, rate, time)).collect()
}

/// The cells as two tables: time with kernel, and how many times faster than the scatter loop and the dense product.
pub fn cells_text(cells: &[Cell]) -> String {
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

/// The network as a user runs it: from a mapped file, which may then be removed.
fn mapped(network: &Network) -> Arc<Network> {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder for networks: {error}"));
    let path = folder.path().join("net.bin");
    let info = snn_formats::Description::default();
    snn_formats::write_net(&path, network, &info).unwrap_or_else(|error| panic!("{error}"));
    let mapped = snn_formats::read_net(&path, snn_formats::Source::Mapped);
    Arc::new(mapped.unwrap_or_else(|error| panic!("{error}")))
}

/// Cost per synaptic operation over the size of a layer, density 0.1, rate 2 %, from a mapped file.
pub fn scale(sizes: &[u32], time: Duration) -> String {
    let mut text = String::from(
        "| layer | synapses | operations a sample | ms a sample | ns an operation | scatter loop, ns | kernel |\n\
         |---|---:|---:|---:|---:|---:|---|\n",
    );
    for &size in sizes {
        let network = mapped(&square(size, 0.1, 0.02));
        let synapses = network.projections()[0].connectivity().synapses();
        let study = run(&network, 0.02, 1, time);
        let [ours, scatter, _] = seconds(&study);
        let operations = study.statistics.total().synaptic_operations as f64;
        let _ = writeln!(
            text,
            "| {size}² | {synapses} | {operations} | {} | {:.3} | {:.3} | {} |",
            ms(ours),
            ours / operations * 1e9,
            scatter / operations * 1e9,
            kernels(&study)
        );
    }
    text
}

fn perceptron() -> Arc<Network> {
    let plan = Plan::Layers(vec![784, 1200, 1200, 10]);
    let recipe = RandomNetwork { plan, density: 0.1, rate: 0.04, bias: 0.0, firing_output: false, seed: 1 };
    Arc::new(recipe.make().unwrap_or_else(|error| panic!("{error}")).0)
}

/// A batch on one thread and on two: wall clock, in turns, the best of `rounds`.
pub fn batch(samples: usize, rounds: usize) -> String {
    let network = perceptron();
    let input = cases::input(&network, 0.04, samples);
    let simulator = AnySimulator::new(Mode::Auto, network);
    let mut best = [f64::INFINITY; 2];
    for _ in 0..rounds {
        for (threads, best) in (1..).zip(&mut best) {
            let started = Instant::now();
            let outcomes = run_batch(0..samples, threads, &simulator, &input, STEPS, false, |_| Ok(()));
            assert_eq!(outcomes.map(|outcomes: Vec<Outcome>| outcomes.len()), Ok::<_, NetworkError>(samples));
            *best = best.min(started.elapsed().as_secs_f64());
        }
    }
    format!(
        "784-1200-1200-10, density 0.1, rate 4 %, {samples} samples, whole job: {} ms on one thread, {} ms on two: {:.2} times \
         faster\n",
        ms(best[0]),
        ms(best[1]),
        best[0] / best[1]
    )
}

/// Short runs of a batch, one sample after the other and several at once: whole job, wall clock, in turns, the best of
/// `rounds`.
pub fn short_runs(samples: usize, rounds: usize) -> String {
    let mut text = String::from(
        "| net and input | T | at once | one by one, µs a sample | at once, µs | times faster |\n|---|---:|---:|---:|---:|---:|\n",
    );
    let random = perceptron();
    let input = cases::input(&random, 0.04, samples);
    let (mnist, images) = mnist(Encoding::Constant);
    let nets = [
        ("784-1200-1200-10, density 0.1, random spikes of 4 %", random, input, samples),
        ("MNIST 784-300-100-10 pruned by 90 %, constant", mnist, images, samples.min(200)),
    ];
    for (name, network, input, samples) in nets {
        for steps in [4, 8, 16, 32, 64, 128] {
            let mut windows = WindowSimulator::new(Arc::clone(&network));
            let at_once = windows.side_by_side(u64::from(steps)).min(samples);
            let any = AnySimulator::Window(windows.clone());
            let mut best = [f64::INFINITY; 2];
            for _ in 0..rounds {
                let started = Instant::now();
                let one_by_one: Result<Vec<Outcome>, _> = (0..samples)
                    .map(|sample| run_sample(&mut windows, &input, sample, steps, false))
                    .collect();
                best[0] = best[0].min(started.elapsed().as_secs_f64());
                let started = Instant::now();
                let together = run_batch(0..samples, 1, &any, &input, steps, false, |_| Ok(()));
                best[1] = best[1].min(started.elapsed().as_secs_f64());
                assert!(one_by_one == together, "{name}, T = {steps}: other outcomes");
            }
            let [alone, together] = best.map(|seconds| seconds / samples as f64 * 1e6);
            let _ = writeln!(
                text,
                "| {name} | {steps} | {at_once} | {alone:.1} | {together:.1} | {:.2} |",
                alone / together
            );
        }
    }
    text
}

/// The shipped network and its images.
fn mnist(encoding: Encoding) -> (Arc<Network>, Input) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mnist");
    let network = snn_formats::read_net(format!("{folder}/net.bin"), snn_formats::Source::Mapped);
    let network = Arc::new(network.unwrap_or_else(|error| panic!("{error}")));
    let array = snn_formats::npy::read(format!("{folder}/x.npy"));
    let x = array.and_then(|array| array.into_f32()).unwrap_or_else(|error| panic!("{error}"));
    let input = Input::values(&network, x, encoding).unwrap_or_else(|error| panic!("{error}"));
    (network, input)
}

/// One sample on one thread and on two, every delivery: wall clock, in turns, the best of a time. Work is
/// spread however little there is of it.
pub fn single(cases: &[(u32, f64, f64)], time: Duration) -> String {
    let mut text = String::from(
        "| layer, density, rate | delivery | one thread, ms | two, ms | times faster | median of pairs |\n\
         |---|---|---:|---:|---:|---:|\n",
    );
    for &(size, density, rate) in cases {
        let network = square(size, density, rate);
        let input = cases::input(&network, rate, 1);
        let sample = input.sample(&network, 0, STEPS).unwrap_or_else(|error| panic!("{error}"));
        for delivery in Delivery::ALL {
            let windows = WindowSimulator::with_kernels(Arc::clone(&network), kernel::best(), Some(delivery));
            let mut both = [1, 2].map(|threads| windows.clone().with_threads_from(threads, 0.0));
            let mut best = [f64::INFINITY; 2];
            let mut ratios = vec![];
            // The first round lays the weights out.
            let begun = Instant::now();
            for round in 0.. {
                let seconds = both.each_mut().map(|windows| {
                    windows.reset();
                    let started = Instant::now();
                    let run = windows.run(&sample, u64::from(STEPS), &mut ());
                    assert_eq!(run, Ok(()));
                    started.elapsed().as_secs_f64()
                });
                if round > 0 {
                    best = std::array::from_fn(|at| best[at].min(seconds[at]));
                    ratios.push(seconds[0] / seconds[1]);
                }
                if round > 0 && begun.elapsed() > time {
                    break;
                }
            }
            assert_eq!(both[0].state(), both[1].state(), "{size}, {delivery:?}");
            // What is not possible is delivered otherwise, and stands in the table already.
            if both[0].delivery(network.output()) == Some(delivery) {
                ratios.sort_by(f64::total_cmp);
                let [one, two] = best;
                let median = ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN);
                let _ = writeln!(
                    text,
                    "| {size}², {density}, {rate} | {delivery:?} | {} | {} | {:.2} | {} |",
                    ms(one),
                    ms(two),
                    one / two,
                    ratio(median)
                );
            }
        }
    }
    text
}

/// Whole jobs beside their layers alone.
pub fn job(time: Duration) -> String {
    let mut text = String::from(
        "| net and input | operations a sample | layers alone, ms | whole job, ms | whole / layers | scatter loop, ms | \
         dense product, ms | kernels |\n|---|---:|---:|---:|---:|---:|---:|---|\n",
    );
    let mut add = |name: &str, network: &Arc<Network>, input: &Input| {
        let study = study(network, input, 4, STEPS, time).unwrap_or_else(|error| panic!("{error}"));
        let [ours, scatter, dense] = seconds(&study);
        let whole = study.whole.best();
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {:.2} | {} | {} | {} |",
            study.statistics.total().synaptic_operations / 4,
            ms(ours),
            ms(whole),
            whole / ours,
            ms(scatter),
            ms(dense),
            kernels(&study)
        );
    };
    let network = perceptron();
    add("784-1200-1200-10, density 0.1, random spikes of 4 %", &network, &cases::input(&network, 0.04, 4));
    for (name, encoding) in [("constant", Encoding::Constant), ("poisson", Encoding::Poisson { seed: 1 })] {
        let (network, input) = mnist(encoding);
        add(&format!("MNIST 784-300-100-10 pruned by 90 %, {name}"), &network, &input);
    }
    text
}

/// Every table and the chart once, as small as they get; what they say must be whole.
pub fn check() {
    let short = Duration::from_millis(1);
    let cells: Vec<Cell> = DENSITIES[..2]
        .iter()
        .flat_map(|&density| RATES.map(|_| cell(density, 0.05, short)))
        .take(6)
        .collect();
    let text = cells_text(&cells);
    assert!(text.contains("| 1 | ") && !text.contains("NaN"), "{text}");
    let chart = crate::chart::draw(&cells);
    assert!(chart.starts_with("<svg") && chart.ends_with("</svg>\n") && !chart.contains("NaN"), "{chart}");
    let text = scale(&[300], short);
    assert!(text.contains("| 300² | "), "{text}");
    let text = batch(4, 1);
    assert!(text.contains("4 samples"), "{text}");
    let text = short_runs(4, 1);
    assert!(text.contains("| 16 | 4 | ") && !text.contains("inf"), "{text}");
    let text = single(&[(300, 0.1, 0.05)], short);
    assert!(text.contains("| Rows | ") && text.contains("| TimeLanes | "), "{text}");
}
