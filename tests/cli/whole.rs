//! Networks whose weights are whole numbers.

use std::sync::Arc;

use serde_json::Value;
use snn_engine::{Delivery, EventSimulator, Input, Network, Observer, PopulationId, Simulator, SpikeSlice};
use snn_engine::{DenseSimulator, Encoding, WindowSimulator, kernel};
use snn_formats::{NetFile, Source};
use snn_research::{SpikeDigest, SpikeHasher};

use crate::{file, json, printed, snn_event};

const CONVERT: &str =
    "convert --model @examples/mnist/mlp300-p90.onnx --calib @examples/mnist/x_calib.npy --out %net.bin";
const RUN: &str = "--net %net.bin --input @examples/mnist/x.npy";

#[test]
fn weights_are_stored_as_asked_for_and_the_network_is_as_accurate_and_equals_the_reference() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = vec![];
    for weights in ["f32", "int16", "int8", "int4"] {
        for neuron in ["--T 16", "--neuron settle", "--neuron signed --T 2"] {
            let report = json(folder.path(), &format!("{CONVERT} {neuron} --weights {weights} --report -"));
            assert_eq!(report["provenance"]["options"]["weights"], weights);
            let net = json(folder.path(), "inspect --net %net.bin --json -");
            for projection in net["projections"].as_array().unwrap() {
                assert_eq!(projection["stored_as"], weights, "{neuron}");
            }
            for layer in report["layers"].as_array().unwrap().iter().skip(1) {
                assert_eq!(layer["weight_rounding"].is_object(), weights != "f32", "{neuron} {weights}");
            }
            let run = json(folder.path(), &format!("run {RUN} --labels @examples/mnist/y.npy --json -"));
            // The trained net has 98 %.
            assert!(run["accuracy"].as_f64().unwrap() >= 0.97, "{neuron} {weights}: {}", run["accuracy"]);
            assert!(printed(folder.path(), &format!("check {RUN} --batch-range 0:6")).starts_with("equal"));
        }
        bytes.push(std::fs::metadata(folder.path().join("net.bin")).unwrap().len());
    }
    assert!(bytes.is_sorted_by(|a, b| a > b), "{bytes:?}");
    let output = snn_event(folder.path(), &format!("{CONVERT} --weights int2")).output().unwrap();
    assert!(output.status.code() == Some(2) && String::from_utf8_lossy(&output.stderr).contains("int4"));
}

#[test]
fn a_network_of_whole_weights_that_settles_has_no_ties_behind_its_first_layer() {
    let folder = tempfile::tempdir().unwrap();
    for weights in ["int16", "int8", "int4"] {
        for spikes in ["", "--max-spikes 3"] {
            printed(folder.path(), &format!("{CONVERT} --neuron settle --weights {weights} {spikes}"));
            let report = json(folder.path(), &format!("check {RUN} --against quantised --json -"));
            assert_eq!((&report["equal"], &report["samples"]), (&true.into(), &200.into()), "{weights}");
            // What reaches the first layer are currents, as real as the input is; all other sums are exact.
            for population in &report["populations"].as_array().unwrap()[2..] {
                let near = (&population["near"], &population["ties"]);
                assert_eq!(near, (&0.into(), &0.into()), "{weights} {spikes}: {}", population["name"]);
            }
        }
    }
}

/// The digest of a population's spikes, as [`SpikeHasher`] makes it.
struct Noted<'a>(SpikeHasher<'a>);

impl Observer for Noted<'_> {
    fn spikes(&mut self, population: PopulationId, step: u64, spikes: SpikeSlice<'_>) {
        self.0.spikes(population, step, spikes);
    }
}

fn digests(network: &Arc<Network>, input: &Input, simulator: &mut dyn Simulator, steps: u32) -> Vec<String> {
    let mut sums = vec![SpikeDigest::default(); network.populations().len()];
    for index in 0..12 {
        let sample = input.sample(network, index, steps).unwrap();
        let mut noted = Noted(SpikeHasher::new(network, index as u64));
        simulator.start(&sample.drive);
        simulator.run(&sample, steps.into(), &mut noted).unwrap();
        sums.iter_mut().zip(noted.0.finish()).for_each(|(sum, of_sample)| sum.merge(&of_sample));
    }
    sums.iter().map(SpikeDigest::to_string).collect()
}

#[test]
fn digests_of_networks_of_whole_weights_are_equal_on_every_kernel_and_delivery() {
    let folder = tempfile::tempdir().unwrap();
    for (neuron, steps) in [("--neuron settle", 1), ("--neuron signed --T 3", 3), ("--T 8", 8)] {
        printed(folder.path(), &format!("{CONVERT} {neuron} --weights int8"));
        let line = format!("eval {RUN} --batch-range 0:12 --points {steps} --json -");
        let told = json(folder.path(), &line)["spike_digests"].clone();
        let told: Vec<&str> =
            told.as_array().unwrap().iter().map(|one| one["digest"].as_str().unwrap_or_default()).collect();
        let net = NetFile::open(folder.path().join("net.bin"), Source::default()).unwrap();
        let network = Arc::new(net.network);
        let x = snn_formats::npy::read(file("examples/mnist/x.npy")).unwrap().into_f32().unwrap();
        let encoding = if steps == 1 { Encoding::Once } else { Encoding::Constant };
        let input = Input::values(&network, x, encoding).unwrap();
        let mut dense = DenseSimulator::new(Arc::clone(&network));
        assert_eq!(digests(&network, &input, &mut dense, steps), told, "{neuron}");
        for kernels in kernel::available() {
            let mut event = EventSimulator::with_kernels(Arc::clone(&network), kernels);
            assert_eq!(digests(&network, &input, &mut event, steps), told, "{neuron}, {}", kernels.name);
            for delivery in Delivery::ALL {
                let windows = WindowSimulator::with_kernels(Arc::clone(&network), kernels, Some(delivery));
                let found = digests(&network, &input, &mut { windows }, steps);
                assert_eq!(found, told, "{neuron}, {}, {delivery:?}", kernels.name);
            }
        }
    }
}

#[test]
fn neurons_are_chosen_by_measurement_for_short_runs_unless_an_option_decides() {
    let folder = tempfile::tempdir().unwrap();
    let chosen = |options: &str| {
        let report = json(folder.path(), &format!("{CONVERT} {options} --report -"));
        let tried = report.get("candidates").map_or(0, |tried| tried.as_array().unwrap().len());
        (report["neuron"].as_str().unwrap().to_owned(), tried)
    };
    let unit = ("unit".to_owned(), 0);
    assert_eq!(chosen("--T 3"), ("signed".to_owned(), 2));
    assert_eq!(json(folder.path(), &format!("run {RUN} --json -"))["T"], 3);
    for options in [
        "",
        "--T 65",
        "--T 3 --neuron unit",
        "--T 3 --readout spikes",
        "--T 3 --fit off",
        "--T 3 --normalise max",
    ] {
        assert_eq!(chosen(options), unit, "{options}");
    }
}

#[test]
fn the_best_neurons_are_told_with_what_was_measured_and_recipes_go_where_they_are_meant_to() {
    let folder = tempfile::tempdir().unwrap();
    let report = json(folder.path(), &format!("{CONVERT} --neuron best --T 2 --report -"));
    let candidates = report["candidates"].as_array().unwrap();
    let error = |place: usize| candidates[place]["error"].as_f64().unwrap();
    assert_eq!((&candidates[0]["neuron"], &candidates[1]["neuron"]), (&"unit".into(), &"signed".into()));
    // Two steps of unit spikes tell three levels.
    assert!(error(1) < error(0) && report["neuron"] == "signed", "{candidates:?}");
    assert!(report["notes"].to_string().contains("signed neurons were chosen for 2 steps"));
    let same = json(folder.path(), &format!("{CONVERT} --neuron signed --T 2 --report -"));
    let chosen = |report: &Value| (report["layers"].clone(), report["max_spikes"].clone());
    assert_eq!(chosen(&same), chosen(&report));
    for (recipe, value) in [
        ("--normalise balance --T 32 --fit off", "balance"),
        ("--fit-by bias --T 16", "bias"),
        ("--fit-by start --T 16", "start"),
    ] {
        let report = json(folder.path(), &format!("{CONVERT} {recipe} --report -"));
        let options = &report["provenance"]["options"];
        assert!(options["normalise"] == value || options["fit_by"] == value, "{options}");
        let run = json(folder.path(), &format!("run {RUN} --T 32 --labels @examples/mnist/y.npy --json -"));
        assert!(run["accuracy"].as_f64().unwrap() >= 0.95, "{recipe}: {}", run["accuracy"]);
    }
    for (options, part) in [
        ("--neuron best", "number of steps"),
        ("--neuron best --T 4 --fit on", "a fit"),
        ("--neuron best --T 4 --levels 4", "number of levels"),
        ("--fit-by bias", "nothing is fitted"),
        ("--neuron settle --fit-by bias", "a way of fitting"),
    ] {
        let output = snn_event(folder.path(), &format!("{CONVERT} {options}")).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && error.contains(part), "{options}: {error}");
    }
}
