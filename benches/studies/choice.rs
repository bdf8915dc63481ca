//! What the cost rule chooses beside every delivery that it could have chosen: a constant that is wrong shows here as a choice that
//! takes longer than the best.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use snn_engine::*;
use snn_rivals::thread_seconds;

use crate::cases::{self, Case};
use crate::numbers::{ms, ratio};
use snn_engine::random::Plan;

/// Cases and their steps: those whose speed is claimed, small and large ones, pruned convolutions, and runs of a few steps.
pub fn all() -> Vec<(Case, u32)> {
    let square = |size: u32, density: f64, rate: f64, steps: u32| {
        let plan = Plan::Layers(vec![size, size]);
        (Case { name: "fully connected", plan, density, rate, floor: 0.0 }, steps)
    };
    let image = |channels: u32, size: u32, kernel: u32, density: f64, rate: f64, steps: u32| {
        let plan = Plan::Convolution { source: [channels, size, size], channels, kernel };
        (Case { name: "convolution", plan, density, rate, floor: 0.0 }, steps)
    };
    let claimed = cases::all().into_iter().map(|case| (case, cases::STEPS));
    let more = [
        square(300, 0.1, 0.05, 256),
        square(600, 0.1, 0.05, 256),
        square(2048, 0.1, 0.02, 256),
        square(300, 0.1, 0.3, 1),
        square(1200, 0.1, 0.3, 1),
        square(1200, 1.0, 0.3, 1),
        square(4096, 0.1, 0.3, 1),
        square(1200, 0.1, 0.3, 8),
        square(4096, 0.1, 0.1, 8),
        image(128, 16, 3, 0.02, 0.05, 256),
        image(64, 16, 3, 0.1, 0.05, 256),
        image(32, 8, 3, 0.1, 0.05, 256),
        image(128, 16, 3, 0.1, 0.3, 1),
        image(512, 7, 1, 1.0, 0.3, 1),
        image(512, 14, 1, 0.1, 0.3, 1),
    ];
    claimed.chain(more).collect()
}

fn named(case: &Case, steps: u32) -> String {
    let of = match &case.plan {
        Plan::Layers(sizes) => format!("{}²", sizes[0]),
        Plan::Convolution { source: [channels, size, _], kernel, .. } => {
            format!("{channels}→{channels}, {kernel}×{kernel} on {size}²")
        }
    };
    format!("{of}, density {}, rate {}, T = {steps}", case.density, case.rate)
}

/// Milliseconds of a sample on one thread, in processor time: by choice and by every delivery, in turns of 10 ms, the best of a time.
pub fn choice(cases: &[(Case, u32)], time: Duration) -> String {
    let mut text = String::from("| case | chosen | ms |");
    for delivery in Delivery::ALL {
        let _ = write!(text, " {delivery:?} |");
    }
    let columns = "---:|".repeat(Delivery::ALL.len() + 2);
    let _ = writeln!(text, " times the best |\n|---|---|{columns}");
    for (case, steps) in cases {
        let network = case.network();
        let input = cases::input(&network, case.rate, 1);
        let sample = input.sample(&network, 0, *steps).unwrap_or_else(|error| panic!("{error}"));
        let forced = Delivery::ALL.map(Some);
        let mut runs: Vec<_> = [None]
            .iter()
            .chain(&forced)
            .map(|&delivery| {
                let windows = WindowSimulator::with_kernels(Arc::clone(&network), kernel::best(), delivery);
                (delivery, windows, f64::INFINITY)
            })
            .collect();
        let begun = Instant::now();
        for round in 0.. {
            for (delivery, windows, best) in &mut runs {
                // What is not possible is delivered otherwise.
                if round > 0 && delivery.is_some() && windows.delivery(network.output()) != *delivery {
                    *best = f64::NAN;
                    continue;
                }
                let turn = Instant::now();
                loop {
                    windows.start(&sample.drive);
                    let started = thread_seconds();
                    let run = windows.run(&sample, u64::from(*steps), &mut ());
                    assert_eq!(run, Ok(()));
                    // The first turn lays the weights out.
                    if round > 0 {
                        *best = best.min(thread_seconds() - started);
                    }
                    if turn.elapsed() > Duration::from_millis(10) {
                        break;
                    }
                }
            }
            if round > 1 && begun.elapsed() > time {
                break;
            }
        }
        let chosen = runs[0].1.delivery(network.output());
        let chosen = chosen.map_or("–".to_owned(), |delivery| format!("{delivery:?}"));
        let _ = write!(text, "| {} | {chosen} | {} |", named(case, *steps), ms(runs[0].2));
        let mut least = f64::INFINITY;
        for (_, _, seconds) in &runs[1..] {
            least = least.min(*seconds);
            let _ = write!(text, " {} |", ms(*seconds));
        }
        let _ = writeln!(text, " {} |", ratio(runs[0].2 / least));
    }
    text
}
