mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;
use snn_converter::ann::Ann;
use snn_converter::calibrate::Zeros;
use snn_converter::import::onnx::Choice;
use snn_converter::model_file::{Model, ModelFile, files_beside};
use snn_converter::normalise::{Normalise, ScalePer, Start};
use snn_converter::report::{LayerReport, Report};
use snn_converter::wanted::Wanted;
use snn_converter::{
    Conversion, ConvertError, FitBy, NeuronKind, Options, Readout, Samples, convert, convert_best_while,
};
use snn_engine::{Network, WeightType};
use snn_formats::samples;
use snn_formats::{Description, FileDigest, NetFile, Provenance, Source};

use crate::commands::export::seconds;
use crate::commands::{Usage, inspect};
use crate::models::{self, InSteps};
use crate::samples::{Labels, note_on_shape, read_from, read_labels};
use crate::{output, provenance, table};

/// Make a spiking network of a trained net.
///
/// The scales of the activations are chosen from calibration samples; a few hundred training samples do.
#[derive(Args)]
#[command(after_help = "Examples:
  snn-event convert --model net.onnx --calib x_calib.npy --out net.bin
  snn-event convert --model net.onnx --calib x_calib.npy --T 16 --out net-16.bin
  snn-event convert --model net.onnx --calib x_calib.npy --neuron settle --levels 16 --out net-1.bin
  snn-event convert --model net.onnx --calib x_calib.npy --neuron signed --T 2 --max-spikes 4 --out net-2.bin
  snn-event convert --model net.onnx --calib x_calib.npy --normalise percentile --percentile 99.9 --out net.bin
  snn-event convert --model net.onnx --calib x_calib.npy --weights int8 --out net-int8.bin
  snn-event convert --model detector.onnx --output scores --input-shape 3,96,96 --calib x_calib.npy --out net.bin
  snn-event convert --model net.onnx --calib x_calib.npy --expect y_calib.npy --out net.bin
  snn-event convert --model qcfs.onnx --normalise qcfs --out net.bin
  snn-event convert --model weights.npz --normalise none --out net.bin
  snn-event convert --model net.pt --layers net.toml --calib x_calib.npy --out net.bin
  snn-event convert --model net.nir --dt 0.001 --out net.bin")]
pub struct Convert {
    /// The trained net: .onnx, .npz with W0, b0, W1, b1, …, or a state dict: .pt, .pth, .safetensors; or a spiking net: .npz
    /// with a theta, .nir
    #[arg(long, value_parser = output::file(), value_name = "MODEL")]
    model: PathBuf,

    /// The layers of a state dict, in TOML (docs/layer-list.md)
    #[arg(long, value_parser = output::file(), value_name = "LAYERS.TOML")]
    layers: Option<PathBuf>,

    /// What an .onnx file is to yield, where it has several outputs or the net is to be cut: the name of an
    /// output, of another tensor or of a node
    #[arg(long, value_name = "NAME")]
    output: Option<String>,

    /// The shape of one sample, without the batch axis, where an .onnx file leaves it open
    #[arg(long, value_name = "3,224,224")]
    input_shape: Option<String>,

    /// Seconds of a step, of a .nir file, which has seconds [default: 0.0001]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    dt: Option<f64>,

    /// Take what steps cannot say exactly, of a .nir file, as well as it can be, and list it
    #[arg(long)]
    lossy: bool,

    /// Calibration samples, .npy of shape (N, …)
    #[arg(long, value_parser = output::file(), value_name = "X.NPY")]
    calib: Option<PathBuf>,

    /// Where the network goes
    #[arg(long, value_parser = output::file(), value_name = "NET.BIN")]
    out: PathBuf,

    /// What activations become [default: best for a --T of at most 64 with --calib, if nothing is said that only unit spikes have;
    /// else unit]
    #[arg(long, value_enum)]
    neuron: Option<NeuronName>,

    /// The levels that activations are rounded to, of multi, signed and settle [default: 16; of multi and signed --T times
    /// --max-spikes]
    #[arg(long, value_name = "L", value_parser = clap::value_parser!(u32).range(1..), allow_negative_numbers = true)]
    levels: Option<u32>,

    /// The largest value of a spike, of multi, signed and settle [default: of settle --levels, so that one step
    /// does; of the others what tells all levels in --T steps]
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u32).range(1..), allow_negative_numbers = true)]
    max_spikes: Option<u32>,

    /// Let weights make up for what rounding loses, of multi, signed and settle: least squares, layer by layer, on the
    /// calibration samples; the number is what a change of a weight costs, in variances of its input
    #[arg(long, value_name = "COST", num_args = 0..=1, default_missing_value = "5", allow_negative_numbers = true)]
    reconstruct: Option<f64>,

    /// How scales are chosen [default: mse; none for .npz nets with a theta]
    #[arg(long, value_enum)]
    normalise: Option<NormaliseName>,

    /// The percentile of `--normalise percentile`, in per cent [default: 99.9]
    #[arg(long, value_name = "PER CENT", allow_negative_numbers = true)]
    percentile: Option<f64>,

    /// The length of the runs that the network is made for; mse without it chooses scales for 32 steps, which
    /// suit runs of any length
    #[arg(long = "T", value_name = "STEPS", value_parser = clap::value_parser!(u32).range(1..), allow_negative_numbers = true)]
    steps: Option<u32>,

    /// Fit scales, starts and biases, layer by layer, to the spikes that really arrive in runs of --T steps of
    /// constant input: much more accurate in short runs of that length, less in runs of others
    /// [default: on for mse if a --T of at most 64 and --calib are given, else off]
    #[arg(long, value_enum, value_name = "ON OR OFF", num_args = 0..=1, default_missing_value = "on")]
    fit: Option<Switch>,

    /// What the fit does: search scales, starts and biases, or add the mean error to biases or to starts (Li et al. 2021)
    #[arg(long, value_enum, default_value = "search")]
    fit_by: FitByName,

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

    /// What weights are rounded to and stored as: whole numbers with a scale per channel take 2 bytes, 1, or half
    /// a one, and potentials are exact sums [default: f32]
    #[arg(long, value_enum, value_name = "TYPE")]
    weights: Option<WeightsName>,

    /// Write convolutions as plain sparse rows; larger, with the same results
    #[arg(long)]
    unroll: bool,

    /// Subtracted from the input: one number, or one per channel
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true)]
    input_mean: Vec<f32>,

    /// What the input is divided by after that: one number, or one per channel
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true)]
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum NormaliseName {
    /// The largest activation (Diehl et al. 2015)
    Max,
    /// A high percentile of the activations (Rueckauer et al. 2017)
    Percentile,
    /// Least squared error of rounding to the rates of T steps (Li et al. 2021)
    Mse,
    /// Local threshold balancing: steps down the gradient of the error of clipping (Bu et al. 2024)
    Balance,
    /// Trained thresholds (Bu et al. 2022)
    Qcfs,
    /// Weights as they are
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum NeuronName {
    /// Spikes of value 1, constant input in every step; rates stand for activations
    Unit,
    /// Spikes of several units, none taken back; constant input in every step
    Multi,
    /// Spikes of several units, taken back where they came too early; constant input in every step
    Signed,
    /// The same, with the input once: the network comes to rest at the net with activations of --levels levels
    Settle,
    /// Unit or signed, whichever loses less in runs of --T steps: each is made with half of the calibration samples and judged
    /// on the others
    Best,
}

impl NeuronName {
    /// The neurons, unless they are to be chosen.
    fn kind(self) -> Option<NeuronKind> {
        match self {
            Self::Unit => Some(NeuronKind::Unit),
            Self::Multi => Some(NeuronKind::Multi),
            Self::Signed => Some(NeuronKind::Signed),
            Self::Settle => Some(NeuronKind::Settle),
            Self::Best => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FitByName {
    Search,
    Bias,
    Start,
}

impl FitByName {
    fn by(self) -> FitBy {
        match self {
            Self::Search => FitBy::Search,
            Self::Bias => FitBy::Bias,
            Self::Start => FitBy::Start,
        }
    }
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
enum WeightsName {
    /// As they are
    F32,
    /// Whole numbers up to 32,767
    Int16,
    /// Whole numbers up to 127
    Int8,
    /// Whole numbers up to 7, two in a byte
    Int4,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReadoutName {
    /// Potentials of a last population that never fires
    Potential,
    /// Spike counts of a last population that fires like the others
    Spikes,
}

impl Convert {
    fn choice(&self) -> Result<Choice> {
        let extent = |text: &str| {
            text.trim().parse::<usize>().ok().filter(|&extent| extent > 0).ok_or_else(|| {
                Usage(format!(
                    "--input-shape: `{text}` is no extent; allowed are whole numbers above 0, as in 3,224,224"
                ))
            })
        };
        let input_shape = match &self.input_shape {
            Some(shape) => Some(shape.split([',', 'x']).map(extent).collect::<Result<_, _>>()?),
            None => None,
        };
        Ok(Choice { output: self.output.clone(), input_shape })
    }

    fn in_steps(&self) -> InSteps {
        InSteps { dt: self.dt, lossy: self.lossy }
    }

    pub fn run(self) -> Result<ExitCode> {
        self.check_files()?;
        let choice = self.choice()?;
        let read = models::read(&self.model, self.layers.as_deref(), &choice, self.in_steps())?;
        let ann = match &read.model {
            Model::Trained(ann) => ann,
            Model::Spiking(network) => return self.write_spiking(network, &read),
        };
        let mut notes = read.notes.clone();
        let calibration = self.calibration(ann, &mut notes)?;
        let samples = calibration.as_ref().map(|of| Samples {
            values: &of.values,
            labels: of.labels.as_ref().map(|labels| &labels.classes[..]),
            expected: of.expected.as_ref().map(|(outputs, _)| &outputs[..]),
        });
        let options = self.options()?;
        let conversion = match self.neuron {
            Some(NeuronName::Best) => convert_best_while(Wanted::always(), ann, samples.as_ref(), &options),
            _ => convert(ann, samples.as_ref(), &options),
        };
        let mut conversion = conversion
            .map_err(|error| self.with_flags(error))
            .with_context(|| self.model.display().to_string())?;
        output::notes(&conversion.warnings);
        notes.append(&mut conversion.notes);
        conversion.report.notes = conversion.warnings.iter().chain(&notes).cloned().collect();
        let provenance = self
            .provenance(&read, calibration.as_ref())
            .options([("output", json!(choice.output)), ("input_shape", json!(choice.input_shape))])
            .options_of(&conversion.options)?;
        conversion.description.provenance = provenance.portable();
        conversion.description.report = Some(conversion.report.kept()?);
        let digest = snn_formats::write_net(&self.out, &conversion.network, &conversion.description)?;
        if let Some(path) = &self.report {
            let provenance = provenance.file("out", Some(FileDigest::new(&self.out, digest)));
            output::write_json(path, &Told { provenance, report: &conversion.report })?;
        }
        if !output::wants_only_json(self.report.as_deref()) {
            output::print(&self.text(&notes, &conversion, digest.bytes))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// An error of the library with the flags that mend it, which the library does not know.
    fn with_flags(&self, error: ConvertError) -> anyhow::Error {
        let flags = match &error {
            ConvertError::NoSamples { .. } => "--calib FILE.npy, --normalise qcfs, --normalise none",
            ConvertError::Refused(_) if self.normalise == Some(NormaliseName::Qcfs) => {
                "--normalise mse --calib FILE.npy"
            }
            _ => return error.into(),
        };
        anyhow::anyhow!("{error}\nthe flags for it: {flags}")
    }

    fn check_files(&self) -> Result<()> {
        let beside = files_beside(&self.model);
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
    fn write_spiking(&self, network: &Network, read: &ModelFile) -> Result<ExitCode> {
        let conversion_only = [
            ("--calib", self.calib.is_some()),
            ("--expect", self.expect.is_some()),
            ("--neuron", self.neuron.is_some()),
            ("--levels", self.levels.is_some()),
            ("--max-spikes", self.max_spikes.is_some()),
            ("--reconstruct", self.reconstruct.is_some()),
            ("--normalise", self.normalise.is_some_and(|normalise| normalise != NormaliseName::None)),
            ("--percentile", self.percentile.is_some()),
            ("--fit", self.fit == Some(Switch::On)),
            ("--fit-by", self.fit_by != FitByName::Search),
            ("--scale-per", self.scale_per.is_some()),
            ("--v0", self.v0.is_some()),
            ("--readout", self.readout.is_some()),
            ("--weights", self.weights.is_some()),
            ("--input-mean", !self.input_mean.is_empty()),
            ("--input-std", !self.input_std.is_empty()),
        ];
        if let Some((flag, _)) = conversion_only.iter().find(|(_, given)| *given) {
            return Err(Usage(format!(
                "{flag}: {} is a spiking net already (NIR, or one that has a theta), and nothing is converted; leave the flag out, \
                 or take the theta out of the file",
                self.model.display()
            ))
            .into());
        }
        let mut provenance = self.provenance(read, None);
        if self.in_steps() != InSteps::default() {
            provenance = provenance.options([("dt", json!(self.dt)), ("lossy", json!(self.lossy))]);
        }
        let description = Description { provenance: provenance.portable(), ..Description::default() };
        snn_formats::write_net(&self.out, network, &description)?;
        let file = NetFile::open(&self.out, Source::default())?;
        let report = inspect::Report::of(&self.out, &file, provenance)?;
        report.noted(&read.notes).write(self.report.as_deref())?;
        Ok(ExitCode::SUCCESS)
    }

    fn options(&self) -> Result<Options> {
        let percentile = self.percentile.unwrap_or(99.9);
        let normalise = match (self.normalise, self.percentile) {
            (None, None) => None,
            (Some(NormaliseName::Percentile), _) | (None, Some(_)) => Some(Normalise::Percentile(percentile)),
            (Some(_), Some(_)) => {
                return Err(Usage("--percentile goes with --normalise percentile only".into()).into());
            }
            (Some(NormaliseName::Max), None) => Some(Normalise::Max),
            (Some(NormaliseName::Mse), None) => Some(Normalise::LeastError),
            (Some(NormaliseName::Balance), None) => Some(Normalise::Balanced),
            (Some(NormaliseName::Qcfs), None) => Some(Normalise::Trained),
            (Some(NormaliseName::None), None) => Some(Normalise::None),
        };
        Ok(Options {
            neuron: self.neuron.and_then(NeuronName::kind),
            levels: self.levels,
            max_spikes: self.max_spikes,
            reconstruct: self.reconstruct,
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
            steps: self.steps,
            fit: self.fit.map(|fit| fit == Switch::On),
            fit_by: self.fit_by.by(),
            compare: self.calib.is_some() && (self.compare || self.report.is_some() || self.labels.is_some()),
            readout: match self.readout {
                Some(ReadoutName::Potential) | None => Readout::Potential,
                Some(ReadoutName::Spikes) => Readout::Spikes,
            },
            weights: self.weights.map(|weights| match weights {
                WeightsName::F32 => WeightType::F32,
                WeightsName::Int16 => WeightType::Int16,
                WeightsName::Int8 => WeightType::Int8,
                WeightsName::Int4 => WeightType::Int4,
            }),
            unroll: self.unroll,
            input_mean: self.input_mean.clone(),
            input_std: self.input_std.clone(),
        })
    }

    /// The calibration samples with what is known of them.
    fn calibration(&self, ann: &Ann, notes: &mut Vec<String>) -> Result<Option<Calibration>> {
        let Some(path) = &self.calib else { return Ok(None) };
        let array = snn_formats::samples::read(path)?;
        let file = read_from(path, &array);
        let at = || path.display().to_string();
        let wanted = ann.input_shape().extents();
        let batch = samples::batch("calibration samples", &array.shape, wanted).with_context(at)?;
        if batch.samples == 0 {
            bail!("{}: there are no calibration samples; allowed is at least one", path.display());
        }
        notes.extend(note_on_shape(&batch, wanted));
        let values = array.into_f32()?;
        let classes = ann.output_shape().elements();
        let labels =
            self.labels.as_deref().map(|path| read_labels(path, batch.samples, classes)).transpose()?;
        let expected = self.expect.as_deref().map(outputs).transpose()?;
        Ok(Some(Calibration { values, file, labels, expected }))
    }

    /// What the network is made of.
    fn provenance(&self, read: &ModelFile, calibration: Option<&Calibration>) -> Provenance {
        let labels = calibration.and_then(|samples| samples.labels.as_ref());
        provenance::of("convert")
            .model(&read.files)
            .file("layers", read.layers.clone())
            .file("calibration", calibration.and_then(|samples| samples.file.clone()))
            .file("labels", labels.and_then(|labels| labels.file.clone()))
            .file("expected", calibration.and_then(|samples| samples.expected.as_ref()?.1.clone()))
    }

    fn text(&self, notes: &[String], conversion: &Conversion, bytes: u64) -> String {
        let mut text = String::new();
        for note in notes {
            text += &format!("note: {note}\n");
        }
        if let (Some(agreement), Some(path)) = (conversion.report.agreement, &self.expect) {
            text += &format!(
                "the model gives the outputs of {} on {} (largest relative difference {:.1e})\n",
                path.display(),
                output::counted(agreement.samples, "sample"),
                agreement.largest
            );
        }
        let number =
            |number: Option<usize>| number.map_or("–".into(), |number| output::count(number as u64));
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
        text += &table::table(&head, rows);
        text += "\n\n";
        text += &text::growth(&conversion.report);
        text += &text::rounded_weights(&conversion.report);
        if conversion.report.compared.is_some() {
            text += &text::losses(&conversion.report);
        }
        text += &format!("{}: {}\n", self.out.display(), output::bytes(bytes));
        text
    }
}

/// Calibration samples, the classes they have, and what the trained net gives for them, with the files these are from.
struct Calibration {
    values: Vec<f32>,
    file: Option<FileDigest>,
    labels: Option<Labels>,
    expected: Option<(Vec<f64>, Option<FileDigest>)>,
}

/// Outputs of the trained net.
fn outputs(path: &Path) -> Result<(Vec<f64>, Option<FileDigest>)> {
    let array = snn_formats::npy::read(path)?;
    let file = read_from(path, &array);
    Ok((array.into_f32()?.into_iter().map(f64::from).collect(), file))
}

/// The report for programs.
#[derive(Serialize)]
struct Told<'a> {
    provenance: Provenance,
    #[serde(flatten)]
    report: &'a Report,
}
