//! Accuracy of converted nets over run lengths, beside that of the trained nets.
//!
//! ```text
//! cargo run --release -p snn-converter --example accuracy -- [--nets a,b] [--T 8,16,32] [--once] [--percentile P | --max]
//!     [--per layer|channel] [--v0 0|half] [--fit] [--weights f32,int8,int4] [--samples N] [--folder ../shared/data]
//! ```
//!
//! Nets are converted for each run length by itself, or, with `--once`, for 32 steps. Files that are not there are
//! skipped.

use snn_converter::ann::Ann;
use snn_converter::forward::logits;
use snn_converter::import::onnx;
use snn_converter::simplify::simplify;
use snn_converter::{Normalise, Options, Samples, ScalePer, Start, convert};
use snn_engine::{
    Connectivity, Drive, Network, NetworkError, Projection, Rows, Simulator, Stimulus, WeightType,
    WindowSimulator, run_samples,
};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

const NETS: &str = "cnn-avg-dense,cnn-avg-p90,cnn-max-p90,resnet-dense,resnet-p90,cifar-resnet-dense,cifar-resnet-p90,\
                    cnn-qcfs-dense,cnn-qcfs-p90,mlp-bias-p90,mlp300-p90,mlp-qcfs-p90";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|a| a == name)?;
        Some(arguments.get(at + 1).unwrap_or_else(|| panic!("{name} needs a value")).as_str())
    };
    let has = |name: &str| arguments.iter().any(|a| a == name);
    let number = |text: &str| text.parse::<f64>().unwrap_or_else(|_| panic!("{text} is not a number"));
    let folder = PathBuf::from(value("--folder").unwrap_or("../shared/data"));
    let lengths: Vec<u32> =
        value("--T").unwrap_or("8,16,32,64,128").split(',').map(|t| number(t) as u32).collect();
    let limit = value("--samples").map_or(usize::MAX, |n| number(n) as usize);
    let mut options = Options::default();
    if let Some(percent) = value("--percentile") {
        options.normalise = Some(Normalise::Percentile(number(percent)));
    }
    if has("--max") {
        options.normalise = Some(Normalise::Max);
    }
    options.scale_per = value("--per").map(|per| match per {
        "layer" => ScalePer::Layer,
        _ => ScalePer::Channel,
    });
    options.start = value("--v0").map(|v0| match v0 {
        "half" => Start::Half,
        _ => Start::Zero,
    });
    options.fit = Some(has("--fit"));
    let types: Vec<WeightType> = value("--weights").unwrap_or("f32").split(',').map(weight_type).collect();
    let columns: String = lengths.iter().map(|t| format!("{t:>7}")).collect();
    println!("{:22} {:>6} {columns}  weights  weights take", "net", "ANN");
    for name in value("--nets").unwrap_or(NETS).split(',') {
        let Some(ann) = read_net(&folder, name) else {
            println!("{name:22} is not there, skipped");
            continue;
        };
        let set = match name {
            _ if name.starts_with("cifar") => "cifar10",
            _ if name.starts_with("resnet20") => "cifar10n",
            _ => "mnist",
        };
        let calibration = read(&folder.join(format!("{set}_x_calib.npy")));
        let mut x = read(&folder.join(format!("{set}_x_test.npy")));
        let labels = snn_formats::npy::read(folder.join(format!("{set}_y_test.npy"))).unwrap();
        let mut labels = labels.into_labels().unwrap();
        labels.truncate(limit);
        let n = ann.input_shape().elements();
        x.truncate(labels.len() * n);
        let samples = Samples { values: &calibration, labels: None, expected: None };
        let trained = accuracy(&logits(&ann, &x).unwrap(), &labels);
        for &of in &types {
            let options = Options { weights: Some(of), ..options.clone() };
            let started = Instant::now();
            let mut line = format!("{name:22} {trained:6.2} ");
            let mut bytes = 0;
            if has("--once") {
                let network = convert(&ann, Some(&samples), &options).unwrap().network;
                for found in run(&network, &x, &labels, &lengths) {
                    line.push_str(&format!("{found:7.2}"));
                }
                bytes = weight_bytes(&network);
            } else {
                for &steps in &lengths {
                    let options = Options { steps: Some(steps), ..options.clone() };
                    let network = convert(&ann, Some(&samples), &options).unwrap().network;
                    line.push_str(&format!("{:7.2}", run(&network, &x, &labels, &[steps])[0]));
                    bytes = weight_bytes(&network);
                }
            }
            let seconds = started.elapsed().as_secs_f64();
            println!("{line}  {:7} {bytes:>10} B   ({seconds:.1} s)", of.name());
        }
    }
}

fn weight_type(name: &str) -> WeightType {
    let found = WeightType::ALL.into_iter().find(|of| of.name() == name);
    found.unwrap_or_else(|| panic!("{name} is no type of weights"))
}

/// Bytes of the weights that are stored, without ids and starts of rows.
fn weight_bytes(network: &Network) -> u64 {
    let of_table = |rows: &Rows| match rows {
        Rows::Sparse(rows) => rows.weights().weight_type().bytes(rows.weights().len() as u64),
        Rows::Dense(rows) => rows.weights().weight_type().bytes(rows.weights().len() as u64),
    };
    let of = |projection: &Projection| match projection.connectivity() {
        Connectivity::Rows(rows) => of_table(rows),
        Connectivity::Conv2d(conv) => of_table(conv.rows()),
        Connectivity::OneToOne(one) => 4 * one.weights().period() as u64,
    };
    network.projections().iter().map(of).sum()
}

fn read(path: &Path) -> Vec<f32> {
    snn_formats::npy::read(path).and_then(|array| array.into_f32()).unwrap_or_else(|error| panic!("{error}"))
}

fn read_net(folder: &Path, name: &str) -> Option<Ann> {
    let plain = folder.join(format!("nets/{name}.onnx"));
    let bytes = if plain.exists() {
        std::fs::read(&plain).unwrap()
    } else {
        let packed = std::fs::File::open(folder.join(format!("nets/{name}.onnx.gz"))).ok()?;
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
        bytes
    };
    let import = onnx::import(bytes, None).unwrap_or_else(|error| panic!("{name}: {error}"));
    Some(simplify(&import.ann).unwrap())
}

/// The largest number of each sample decides, the first of equal ones; in per cent.
fn accuracy(outputs: &[f32], labels: &[i64]) -> f64 {
    let classes = outputs.len() / labels.len();
    let right = outputs.chunks_exact(classes).zip(labels).filter(|(outputs, label)| {
        let best = (1..outputs.len()).fold(0, |best, at| if outputs[at] > outputs[best] { at } else { best });
        best as i64 == **label
    });
    100.0 * right.count() as f64 / labels.len() as f64
}

/// Accuracy after each of some run lengths, with constant input.
fn run(network: &Network, x: &[f32], labels: &[i64], lengths: &[u32]) -> Vec<f64> {
    let network = Arc::new(network.clone());
    let input = network.find("input").unwrap();
    let layout = network.population(input).layout();
    let n = network.population(input).size();
    let simulator = WindowSimulator::new(Arc::clone(&network));
    let longest = lengths.iter().copied().max().unwrap();
    let potentials = run_samples(0..labels.len(), 2, &simulator, |simulator, sample| {
        let seen: Vec<f32> = (0..n).map(|neuron| x[sample * n + layout.user_index(neuron)]).collect();
        simulator.start(&Drive::constant(&network, input, &seen)?);
        let mut found = Vec::new();
        for step in 1..=longest {
            simulator.step(&Stimulus::none());
            if lengths.contains(&step) {
                found.push(simulator.potentials(network.output()).to_vec());
            }
        }
        Ok::<_, NetworkError>(found)
    })
    .unwrap();
    let places = |at: usize| potentials.iter().flat_map(|sample| sample[at].clone()).collect::<Vec<f32>>();
    (0..lengths.len()).map(|at| accuracy(&places(at), labels)).collect()
}
