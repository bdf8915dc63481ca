use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use snn_converter::ann::Ann;
use snn_converter::calibrate::Zeros;
use snn_converter::convert::{Conversion, Options, Readout, Samples, convert};
use snn_converter::normalise::{Normalise, ScalePer, Start};
use snn_converter::report::{LayerReport, Report};
use snn_engine::Network;
use snn_formats::{Description, Source};

use crate::commands::{Usage, inspect};
use crate::models::{self, Model};
use crate::output;
use crate::samples::read_labels;

/// Make a spiking network of a trained net.
///
/// The scales of the activations are chosen from calibration samples; a few hundred training samples do.
#[derive(Args)]
#[command(after_help = "Examples:
  snn-event convert --model net.onnx --calib x_calib.npy --out net.bin
  snn-event convert --model net.onnx --calib x_calib.npy --T 16 --out net-16.bin
  snn-event convert --model net.onnx --calib x_calib.npy --normalise percentile --percentile 99.9 --out net.bin
  snn-event convert --model net.onnx --calib x_calib.npy --expect y_calib.npy --out net.bin
  snn-event convert --model qcfs.onnx --normalise qcfs --out net.bin
  snn-event convert --model weights.npz --normalise none --out net.bin
  snn-event convert --model net.pt --layers net.toml --calib x_calib.npy --out net.bin")]
pub struct Convert {
    /// The trained net: .onnx, .npz with W0, b0, W1, b1, …, or a state dict: .pt, .pth, .safetensors
    #[arg(long, value_parser = output::file(), value_name = "MODEL")]
    model: PathBuf,

    /// The layers of a state dict, in TOML (docs/layer-list.md)
    #[arg(long, value_parser = output::file(), value_name = "LAYERS.TOML")]
    layers: Option<PathBuf>,

    /// Calibration samples, .npy of shape (N, …)
    #[arg(long, value_parser = output::file(), value_name = "X.NPY")]
    calib: Option<PathBuf>,

    /// Where the network goes
    #[arg(long, value_parser = output::file(), value_name = "NET.BIN")]
    out: PathBuf,

    /// How scales are chosen [default: mse; none for .npz nets with a theta]
    #[arg(long, value_enum)]
    normalise: Option<NormaliseName>,

    /// The percentile of `--normalise percentile`, in per cent [default: 99.9]
    #[arg(long, value_name = "PER CENT")]
    percentile: Option<f64>,

    /// The length of the runs that the network is made for; mse without it chooses scales for 32 steps, which
    /// suit runs of any length
    #[arg(long = "T", value_name = "STEPS", value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,

    /// Fit scales, starts and biases, layer by layer, to the spikes that really arrive in runs of --T steps of
    /// constant input: much more accurate in short runs of that length, less in runs of others
    /// [default: on for mse if a --T of at most 64 and --calib are given, else off]
    #[arg(long, value_enum, value_name = "ON OR OFF", num_args = 0..=1, default_missing_value = "on")]
    fit: Option<Switch>,

    /// Compare spike rates at --T with activations, layer by layer, on calibration samples; --report and
    /// --labels do so too
    #[arg(long, requires = "calib")]
    compare: bool,

    /// How far one scale reaches [default: channel for images, layer for vectors]
    #[arg(long, value_enum)]
    scale_per: Option<ScalePerName>,

    /// Whether activations that are zero count in percentiles
    #[arg(long, value_enum, default_value = "in")]
    zeros: ZerosName,

    /// Potential before the first step, in thresholds [default: half for mse and qcfs, else 0]
    #[arg(long, value_enum)]
    v0: Option<V0>,

    /// What the result is read from [default: potential]
    #[arg(long, value_enum)]
    readout: Option<ReadoutName>,

    /// Write convolutions as plain sparse rows; larger, with the same results
    #[arg(long)]
    unroll: bool,

    /// Subtracted from the input: one number, or one per channel
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true)]
    input_mean: Vec<f32>,

    /// What the input is divided by after that: one number, or one per channel
    #[arg(long, value_delimiter = ',')]
    input_std: Vec<f32>,

    /// Classes of the calibration samples: the accuracy is told
    #[arg(long, value_parser = output::file(), value_name = "Y.NPY", requires = "calib")]
    labels: Option<PathBuf>,

    /// What the trained net itself gives for the calibration samples, .npy of shape (N, …): refuse a model file that
    /// computes something else (a relative difference above 0.001)
    #[arg(long, value_parser = output::file(), value_name = "OUTPUTS.NPY", requires = "calib")]
    expect: Option<PathBuf>,

    /// Write a report as JSON; `-` writes it to standard output, and nothing else
    #[arg(long, visible_alias = "json", value_name = "REPORT.JSON")]
    report: Option<PathBuf>,
}

/// The longest runs that networks are fitted to if nothing is said. In longer ones spikes arrive evenly enough: the
/// scales alone are as accurate (benches/record/accuracy-2026-11-23.md).
const LONGEST_FITTED: u32 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum NormaliseName {
    /// The largest activation (Diehl et al. 2015)
    Max,
    /// A high percentile of the activations (Rueckauer et al. 2017)
    Percentile,
    /// Least squared error of rounding to the rates of T steps (Li et al. 2021)
    Mse,
    /// Trained thresholds (Bu et al. 2022)
    Qcfs,
    /// Weights as they are
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ScalePerName {
    Layer,
    Channel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ZerosName {
    In,
    Out,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum V0 {
    #[value(name = "0")]
    Zero,
    Half,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReadoutName {
    /// Potentials of a last population that never fires
    Potential,
    /// Spike counts of a last population that fires like the others
    Spikes,
}

impl Convert {
    pub fn run(self) -> Result<ExitCode> {
        self.check_files()?;
        let (model, notes) = models::read(&self.model, self.layers.as_deref())?;
        let ann = match model {
            Model::Trained(ann) => ann,
            Model::Spiking(network) => return self.write_spiking(&network, &notes),
        };
        let calibration = self.calib.as_deref().map(|path| calibration(path, &ann)).transpose()?;
        let samples = match (&calibration, &self.labels) {
            (Some(values), labels) => {
                let count = values.len() / ann.input_shape().elements();
                Some((values, labels.as_deref().map(|path| read_labels(path, count)).transpose()?))
            }
            (None, _) => None,
        };
        let expected = self.expect.as_deref().map(outputs).transpose()?;
        let samples = samples.as_ref().map(|(values, labels)| Samples {
            values,
            labels: labels.as_deref(),
            expected: expected.as_deref(),
        });
        let conversion = convert(&ann, samples.as_ref(), &self.options()?)
            .with_context(|| self.model.display().to_string())?;
        let description = Description { provenance: self.provenance()? };
        snn_formats::write_net(&self.out, &conversion.network, &description)?;
        if let Some(path) = &self.report {
            output::write_json(path, &conversion.report)?;
        }
        if !output::wants_only_json(self.report.as_deref()) {
            output::print(&self.text(&notes, &conversion)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn check_files(&self) -> Result<()> {
        let beside = models::files_beside(&self.model);
        let mut inputs = vec![
            ("--model", Some(self.model.as_path())),
            ("--layers", self.layers.as_deref()),
            ("--calib", self.calib.as_deref()),
            ("--labels", self.labels.as_deref()),
            ("--expect", self.expect.as_deref()),
        ];
        inputs.extend(beside.iter().map(|path| ("--model", Some(path.as_path()))));
        let outputs = [("--out", Some(self.out.as_path())), ("--report", self.report.as_deref())];
        output::check(&inputs, &outputs)
    }

    /// A net that is a spiking one already goes into the file as it is.
    fn write_spiking(&self, network: &Network, notes: &[String]) -> Result<ExitCode> {
        let conversion_only = [
            ("--calib", self.calib.is_some()),
            ("--expect", self.expect.is_some()),
            ("--normalise", self.normalise.is_some_and(|normalise| normalise != NormaliseName::None)),
            ("--percentile", self.percentile.is_some()),
            ("--fit", self.fit == Some(Switch::On)),
            ("--scale-per", self.scale_per.is_some()),
            ("--v0", self.v0.is_some()),
            ("--readout", self.readout.is_some()),
            ("--input-mean", !self.input_mean.is_empty()),
            ("--input-std", !self.input_std.is_empty()),
        ];
        if let Some((flag, _)) = conversion_only.iter().find(|(_, given)| *given) {
            return Err(Usage(format!(
                "{flag}: {} has a theta, so it is a spiking net already and nothing is converted; leave the flag out, \
                 or take the theta out of the file",
                self.model.display()
            ))
            .into());
        }
        let description = Description { provenance: self.provenance()? };
        snn_formats::write_net(&self.out, network, &description)?;
        let notes: String = notes.iter().map(|note| format!("note: {note}\n")).collect();
        let report = inspect::Report::of(&self.out, Source::default(), None)?;
        report.write(self.report.as_deref(), &notes)?;
        Ok(ExitCode::SUCCESS)
    }

    fn options(&self) -> Result<Options> {
        let percentile = self.percentile.unwrap_or(99.9);
        let normalise = match (self.normalise, self.percentile) {
            (Some(NormaliseName::Percentile), _) | (None, Some(_)) => Normalise::Percentile(percentile),
            (Some(_), Some(_)) => {
                return Err(Usage("--percentile goes with --normalise percentile only".into()).into());
            }
            (Some(NormaliseName::Max), None) => Normalise::Max,
            (Some(NormaliseName::Mse) | None, None) => Normalise::LeastError,
            (Some(NormaliseName::Qcfs), None) => Normalise::Trained,
            (Some(NormaliseName::None), None) => Normalise::None,
        };
        Ok(Options {
            normalise,
            scale_per: self.scale_per.map(|per| match per {
                ScalePerName::Layer => ScalePer::Layer,
                ScalePerName::Channel => ScalePer::Channel,
            }),
            zeros: match self.zeros {
                ZerosName::In => Zeros::Included,
                ZerosName::Out => Zeros::Excluded,
            },
            start: self.v0.map(|start| match start {
                V0::Zero => Start::Zero,
                V0::Half => Start::Half,
            }),
            steps: self.steps.unwrap_or(Options::default().steps),
            fit: match self.fit {
                Some(switch) => switch == Switch::On,
                None => {
                    let short = self.steps.is_some_and(|steps| steps <= LONGEST_FITTED);
                    short && self.calib.is_some() && normalise == Normalise::LeastError
                }
            },
            compare: self.calib.is_some() && (self.compare || self.report.is_some() || self.labels.is_some()),
            readout: match self.readout {
                Some(ReadoutName::Potential) | None => Readout::Potential,
                Some(ReadoutName::Spikes) => Readout::Spikes,
            },
            unroll: self.unroll,
            input_mean: self.input_mean.clone(),
            input_std: self.input_std.clone(),
        })
    }

    /// Where the network came from, without dates or folders, so that the same command gives the same file.
    fn provenance(&self) -> Result<Map<String, Value>> {
        let file = |path: &Path| -> Result<Value> {
            let bytes = snn_formats::regular::read(path)
                .with_context(|| format!("{}: cannot be read", path.display()))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            Ok(json!({ "file": name, "crc32": format!("{:08x}", crc32fast::hash(&bytes)) }))
        };
        let mut provenance = Map::new();
        provenance.insert("tool".into(), json!(concat!("snn-event ", env!("CARGO_PKG_VERSION"))));
        provenance.insert("model".into(), file(&self.model)?);
        if let Some(path) = &self.layers {
            provenance.insert("layers".into(), file(path)?);
        }
        if let Some(path) = &self.calib {
            provenance.insert("calibration".into(), file(path)?);
        }
        provenance.insert("options".into(), self.flags());
        Ok(provenance)
    }

    /// The flags that were given and decide what the network is.
    fn flags(&self) -> Value {
        fn name<T: ValueEnum>(value: Option<T>) -> Option<Value> {
            value.and_then(|value| Some(json!(value.to_possible_value()?.get_name())))
        }
        let numbers = |numbers: &[f32]| (!numbers.is_empty()).then(|| json!(numbers));
        let flags = [
            ("normalise", name(self.normalise)),
            ("percentile", self.percentile.map(|percentile| json!(percentile))),
            ("T", self.steps.map(|steps| json!(steps))),
            ("fit", name(self.fit)),
            ("scale-per", name(self.scale_per)),
            ("zeros", name(Some(self.zeros))),
            ("v0", name(self.v0)),
            ("readout", name(self.readout)),
            ("unroll", self.unroll.then_some(json!(true))),
            ("input-mean", numbers(&self.input_mean)),
            ("input-std", numbers(&self.input_std)),
        ];
        flags.into_iter().filter_map(|(flag, value)| Some((flag.to_owned(), value?))).collect()
    }

    fn text(&self, notes: &[String], conversion: &Conversion) -> Result<String> {
        let mut text = String::new();
        for note in notes.iter().chain(&conversion.notes) {
            text += &format!("note: {note}\n");
        }
        if let (Some(agreement), Some(path)) = (conversion.report.agreement, &self.expect) {
            text += &format!(
                "the model gives the outputs of {} on {} samples (largest relative difference {:.1e})\n",
                path.display(),
                output::count(agreement.samples as u64),
                agreement.largest
            );
        }
        let number = |number: Option<usize>| number.map_or("–".into(), |number| number.to_string());
        let rows = conversion.report.layers.iter().map(|layer: &LayerReport| {
            vec![
                layer.name.clone(),
                layer.kind.clone(),
                format!("{:?}", layer.shape),
                output::count(layer.weights),
                output::count(layer.nonzeros),
                if layer.weights == 0 { "–".into() } else { output::percent(layer.density) },
                layer.scale.as_ref().map_or("–".into(), |scale| {
                    if scale.min == scale.max {
                        format!("{:.4}", scale.median)
                    } else {
                        format!("{:.4} ({:.4} … {:.4})", scale.median, scale.min, scale.max)
                    }
                }),
                number(layer.dead),
                number(layer.saturated),
            ]
        });
        let head = ["layer", "kind", "shape", "weights", "non-zero", "density", "λ", "dead", "saturated"];
        text += &output::table(&head, rows).to_string();
        text += "\n\n";
        if conversion.report.compared.is_some() {
            text += &losses(&conversion.report);
        }
        let size = std::fs::metadata(&self.out).map(|metadata| metadata.len())?;
        text += &format!("{}: {}\n", self.out.display(), output::bytes(size));
        Ok(text)
    }
}

/// What each layer loses, as a table, and the accuracies if they are known.
fn losses(report: &Report) -> String {
    let number = |number: f64| format!("{number:.4}");
    let rows = report.layers.iter().filter_map(|layer| {
        let loss = layer.loss?;
        let of = [loss.activation, loss.rate, loss.error, loss.clipping, loss.quantisation, loss.rest];
        let correlation = loss.correlation.map_or("–".into(), number);
        Some([layer.name.clone(), correlation].into_iter().chain(of.map(number)).collect())
    });
    let head = [
        "in units of λ",
        "correlation",
        "activation",
        "rate",
        "error",
        "clipping",
        "quantisation",
        "uneven spikes",
    ];
    let mut text = format!(
        "spike rates at T = {} against activations, {} calibration samples:\n{}\n\n",
        report.steps,
        report.compared.unwrap_or(0),
        output::table(&head, rows)
    );
    if let Some(accuracy) = &report.accuracy {
        text += &format!(
            "accuracy on {} calibration samples: trained net {}, spiking network {}\n\n",
            accuracy.samples,
            output::percent(accuracy.trained),
            output::percent(accuracy.spiking)
        );
    }
    text
}

/// Outputs of the trained net.
fn outputs(path: &Path) -> Result<Vec<f64>> {
    let values = snn_formats::npy::read(path)?.into_f32()?;
    Ok(values.into_iter().map(f64::from).collect())
}

/// The calibration samples of a net.
fn calibration(path: &Path, ann: &Ann) -> Result<Vec<f32>> {
    let array = snn_formats::npy::read(path)?;
    let (shape, wanted) = (array.shape.clone(), ann.input_shape().elements());
    let samples = shape.first().copied().unwrap_or(0);
    if shape.iter().skip(1).product::<usize>() != wanted || samples == 0 {
        bail!(
            "{}: calibration samples of shape {shape:?}; allowed is (N, …) with {wanted} numbers each: the net's input is {}",
            path.display(),
            ann.input_shape()
        );
    }
    if shape[1..] != *ann.input_shape().extents() {
        eprintln!(
            "note: calibration samples of shape {:?} are read as the net's input, {}",
            &shape[1..],
            ann.input_shape()
        );
    }
    Ok(array.into_f32()?)
}
