//! Layers and whole jobs, one sample after the other, on one thread.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use snn_engine::*;
use snn_rivals::study;

use crate::cases::{self, STEPS};
use crate::nets::{mapped, mnist, perceptron, run, square};
use crate::numbers::{kernels, ms, ratio, seconds};

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
