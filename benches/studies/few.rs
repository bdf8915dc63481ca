//! Networks of few steps made of trained nets, beside those of unit spikes: accuracy on test images, and what it costs.
//!
//! The nets and images lie beside the project, in `../shared/data`; those that are not there are left out, and it is said.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use snn_converter::ann::Ann;
use snn_converter::forward::logits;
use snn_converter::import::onnx;
use snn_converter::settled::{Emitted, Quantised};
use snn_converter::simplify::simplify;
use snn_converter::{Conversion, NeuronKind, Options, Samples, convert};
use snn_engine::*;
use snn_formats::Arrives;

/// A net of the record, its images, what they are less and divided by before the net sees them, and the runs of unit
/// spikes beside it.
struct Net {
    name: &'static str,
    images: &'static str,
    map: Option<(f32, f32)>,
    ways: &'static [Way],
}

/// Neurons, T, largest spike and levels; 0 where it is left open.
struct Way(NeuronKind, u32, u32, u32);

use NeuronKind::{Settle, Signed, Unit};

const SMALL: &[Way] = &[
    Way(Settle, 0, 0, 8),
    Way(Settle, 0, 0, 16),
    Way(Settle, 0, 1, 16),
    Way(Signed, 2, 4, 0),
    Way(Unit, 4, 0, 0),
    Way(Unit, 8, 0, 0),
    Way(Unit, 16, 0, 0),
];

const DEEP: &[Way] = &[
    Way(Settle, 0, 0, 8),
    Way(Settle, 0, 0, 16),
    Way(Settle, 0, 4, 16),
    Way(Signed, 2, 8, 0),
    Way(Signed, 8, 2, 0),
    Way(Unit, 16, 0, 0),
    Way(Unit, 32, 0, 0),
];

const DEEPEST: &[Way] = &[Way(Settle, 0, 0, 8), Way(Settle, 0, 0, 16), Way(Settle, 0, 0, 32)];

const NETS: [Net; 6] = [
    Net { name: "cifar-resnet-p90", images: "cifar10", map: None, ways: SMALL },
    Net { name: "resnet-p90", images: "mnist", map: None, ways: SMALL },
    Net { name: "cnn-avg-p90", images: "mnist", map: None, ways: SMALL },
    Net { name: "resnet20-dense", images: "cifar10n", map: None, ways: DEEP },
    Net { name: "resnet20-p90", images: "cifar10n", map: None, ways: DEEP },
    Net { name: "efficientnet-lite0", images: "imagenet", map: Some((127.0, 128.0)), ways: DEEPEST },
];

/// Samples whose counts at rest are compared with the quantised network.
const JUDGED: usize = 8;

/// One line for every net, or for the one of a name, and every way of converting it.
pub fn few_steps(only: Option<&str>) -> String {
    let mut text = String::from(
        "| net | trained, % | neurons | T | m | L | accuracy, % | steps, mean (most) | events | magnitude | synaptic operations | \
         input currents | ms a sample | ties of counts at rest | converted in, s |\n\
         |---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data"));
    for net in NETS.iter().filter(|net| only.is_none_or(|only| only == net.name)) {
        let Some(data) = Data::read(folder, net) else {
            let _ = writeln!(text, "| {} | is not beside the project, left out |", net.name);
            continue;
        };
        for way in net.ways {
            text += &data.line(net, way);
            // A study of hours tells what it has.
            eprint!("{}", text.lines().last().map(|line| format!("{line}\n")).unwrap_or_default());
        }
    }
    text
}

/// A trained net with its images.
struct Data {
    ann: Ann,
    calibration: Vec<f32>,
    test: Vec<f32>,
    labels: Vec<i64>,
}

impl Data {
    fn read(folder: &Path, net: &Net) -> Option<Self> {
        let bytes = std::fs::read(folder.join(format!("nets/{}.onnx", net.name))).ok()?;
        let import = onnx::import(bytes, None).unwrap_or_else(|error| panic!("{}: {error}", net.name));
        let ann = simplify(&import.ann).unwrap_or_else(|error| panic!("{}: {error}", net.name));
        let file = |what: &str| -> PathBuf { folder.join(format!("{}_{what}.npy", net.images)) };
        let read = |what: &str| {
            let array = snn_formats::npy::read(file(what)).and_then(|array| array.into_f32());
            array.unwrap_or_else(|error| panic!("{error}"))
        };
        let labels = snn_formats::npy::read(file("y_test")).and_then(|array| array.into_labels());
        let labels = labels.unwrap_or_else(|error| panic!("{error}"));
        Some(Self { ann, calibration: read("x_calib"), test: read("x_test"), labels })
    }

    fn line(&self, net: &Net, Way(neuron, steps, most, levels): &Way) -> String {
        let given = |number: u32| (number > 0).then_some(number);
        let (mean, std) = net.map.map_or((vec![], vec![]), |(mean, std)| (vec![mean], vec![std]));
        let options = Options {
            neuron: Some(*neuron),
            steps: given(*steps),
            max_spikes: given(*most),
            levels: given(*levels),
            input_mean: mean,
            input_std: std,
            ..Options::default()
        };
        let samples = Samples { values: &self.calibration, labels: None, expected: None };
        let started = Instant::now();
        let conversion = convert(&self.ann, Some(&samples), &options);
        let conversion = conversion.unwrap_or_else(|error| panic!("{}: {error}", net.name));
        let converted = started.elapsed().as_secs_f64();
        let (outcomes, ties, seconds) = run(&conversion, &self.test);
        let n = outcomes.len() as f64;
        let mut sums = Statistics::zero(&conversion.network);
        outcomes.iter().for_each(|outcome| sums += &outcome.statistics);
        let total = sums.total();
        let drive: u64 = outcomes.iter().flat_map(|outcome| &outcome.drive_operations).sum();
        let most_steps = outcomes.iter().map(|outcome| outcome.statistics.steps).max().unwrap_or(0);
        let right = outcomes.iter().zip(&self.labels);
        let right = right.filter(|(outcome, label)| i64::try_from(outcome.class) == Ok(**label)).count();
        let options = &conversion.options;
        let each = |sum: u64| sum as f64 / n;
        format!(
            "| {} | {:.1} | {} | {} | {} | {} | {:.1} | {:.1} ({most_steps}) | {:.0} | {:.0} | {:.0} | {:.0} | {:.2} | {ties} | \
             {converted:.1} |\n",
            net.name,
            self.trained(net),
            neuron.name(),
            if *neuron == Settle { "–".into() } else { options.scale_steps.to_string() },
            options.max_spikes,
            if *neuron == Unit { "–".into() } else { options.levels.to_string() },
            100.0 * right as f64 / n,
            each(sums.steps),
            each(total.spikes),
            each(total.magnitude),
            each(total.synaptic_operations),
            each(drive),
            1000.0 * seconds / n,
        )
    }

    /// The accuracy of the trained net itself, in per cent.
    fn trained(&self, net: &Net) -> f64 {
        let (mean, std) = net.map.unwrap_or((0.0, 1.0));
        let x: Vec<f32> = self.test.iter().map(|x| (x - mean) / std).collect();
        let outputs = logits(&self.ann, &x).unwrap_or_else(|error| panic!("{}: {error}", net.name));
        let classes = self.ann.output_shape().elements();
        let best =
            |row: &[f32]| (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best });
        let rows = outputs.chunks_exact(classes).zip(&self.labels);
        let right = rows.filter(|(row, label)| i64::try_from(best(row)) == Ok(**label)).count();
        100.0 * right as f64 / self.labels.len() as f64
    }
}

/// Runs all samples on one thread as the network is made to be run, with the seconds it took, and compares what some come to rest at
/// with the quantised network.
fn run(conversion: &Conversion, x: &[f32]) -> (Vec<Outcome>, String, f64) {
    let network = Arc::new(conversion.network.clone());
    let made_for = conversion.description.run;
    let once = made_for.is_some_and(|run| run.arrives == Arrives::Once);
    let encoding = if once { Encoding::Once } else { Encoding::Constant };
    let steps = made_for.map_or(conversion.options.scale_steps, |run| run.steps);
    let until = match made_for.is_some_and(|run| run.until_quiet) {
        true => Until::Quiet { limit: steps },
        false => Until::Steps(steps),
    };
    let input = Input::values(&network, x.to_vec(), encoding).unwrap_or_else(|error| panic!("{error}"));
    let simulator = AnySimulator::new(Mode::Auto, Arc::clone(&network));
    let started = Instant::now();
    let outcomes =
        run_batch(0..input.samples(), 1, &simulator, &input, until, false, |_| Ok::<_, NetworkError>(()));
    let seconds = started.elapsed().as_secs_f64();
    let outcomes = outcomes.unwrap_or_else(|error| panic!("{error}"));
    let Some(quantised) = once.then(|| Quantised::of(&network).ok()).flatten() else {
        return (outcomes, "–".into(), seconds);
    };
    let mut windows = WindowSimulator::new(Arc::clone(&network));
    let (mut ties, mut counts) = (0, 0);
    for sample in 0..JUDGED.min(input.samples()) {
        let sample = input.sample(&network, sample, 1).unwrap_or_else(|error| panic!("{error}"));
        let mut emitted = Emitted::none(&network);
        windows.start(&sample.drive);
        let quiet = windows.run_until_quiet(&sample, 10_000, &mut emitted);
        assert!(quiet.is_ok_and(|steps| steps.is_some()), "a network that settles is not at rest");
        for (id, rest) in
            network.ids().zip(quantised.judge(&sample.drive, &emitted, |id| windows.potentials(id).to_vec()))
        {
            assert_eq!(rest.wrong, None, "a count at rest that is not the quantised network's");
            ties += rest.ties;
            counts += emitted.counts(id).len();
        }
    }
    (outcomes, format!("{ties} of {counts}"), seconds)
}
