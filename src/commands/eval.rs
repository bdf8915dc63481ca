use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use snn_converter::ann::Ann;
use snn_converter::convert::as_trained;
use snn_converter::import::onnx::Choice;
use snn_converter::model_file::{Model, ModelFile};
use snn_engine::{AnySimulator, Memory, NetworkError, Until};
use snn_formats::{Digest, FileDigest, Provenance};
use snn_research::{
    Context, EnergyError, Evaluation, EvaluationReport, Plan, PlanError, Preset, Proportion, Stop,
    chosen_presets, evaluate, trained_classes,
};

use crate::commands::Usage;
use crate::commands::run::ModeName;
use crate::models::{self, InSteps};
use crate::output::Named;
use crate::parts::PartArgs;
use crate::samples::{InputArgs, Net, NetArgs, Samples, read_labels, threads};
use crate::{output, progress, provenance, table};

/// Tell accuracy and costs after every number of steps, of one run.
///
/// Each line is exactly what `run` gives with that --T. Intervals are Wilson's, 95 %.
#[derive(Args)]
#[command(after_help = "Examples:
  snn-event eval --net net.bin --input x.npy --labels y.npy --T 64
  snn-event eval --net net.bin --input x.npy --labels y.npy --points 1,2,4,8,16 --model net.onnx
  snn-event eval --net net.bin --input x.npy --labels y.npy --stop margin=2 --stop confidence=0.99
  snn-event eval --net net.bin --input x.npy --energy loihi --energy lemaire-2022 --json report.json
  snn-event eval --net net.bin --input x.npy --shard 1/2 --part 1.json   # and 2/2, on another machine; then
  snn-event eval --net net.bin --input x.npy --labels y.npy --join 1.json 2.json")]
pub struct Eval {
    #[command(flatten)]
    args: EvalArgs,

    /// Write a report as JSON; `-` writes it to standard output, and nothing else
    #[arg(long, value_name = "REPORT.JSON")]
    json: Option<PathBuf>,
}

impl Eval {
    pub fn run(self) -> Result<ExitCode> {
        output::check(&self.args.files(), &[("--json", self.json.as_deref()), self.args.part()])?;
        let evaluated = self.args.evaluate("eval", false)?;
        if let Some(path) = &self.json {
            output::write_json(path, &Told { provenance: evaluated.provenance, report: &evaluated.report })?;
        }
        if !output::wants_only_json(self.json.as_deref()) {
            output::print(&text(&evaluated.report))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What is evaluated, and how.
#[derive(Args)]
pub struct EvalArgs {
    #[command(flatten)]
    net: NetArgs,

    #[command(flatten)]
    input: InputArgs,

    #[command(flatten)]
    parts: PartArgs,

    /// True classes, .npy of N whole numbers: accuracies are told
    #[arg(long, value_parser = output::file(), value_name = "Y.NPY")]
    labels: Option<PathBuf>,

    /// The trained net, to compare with on the same samples: .onnx or .npz
    #[arg(long, value_parser = output::file(), value_name = "MODEL")]
    model: Option<PathBuf>,

    /// Subtracted from the input of the trained net, as in `convert`: one number, or one per channel
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true, requires = "model")]
    input_mean: Vec<f32>,

    /// What the input of the trained net is divided by after that: one number, or one per channel
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true, requires = "model")]
    input_std: Vec<f32>,

    /// Numbers of steps after which all is told, ascending; the last is the length of the run [default: every one up to --T; until quiet, powers of two]
    #[arg(long, value_name = "1,2,4", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..), conflicts_with_all = ["steps", "until_quiet"])]
    points: Vec<u32>,

    /// Read only what the last population receives after so many steps
    #[arg(long, value_name = "STEPS", default_value_t = 0, value_parser = clap::value_parser!(u32), allow_negative_numbers = true)]
    readout_from: u32,

    /// Tell what samples give that end at the first point at which margin=M (between the two best outputs), confidence=P (their
    /// softmax) or quiet holds; may be given several times
    #[arg(long, value_name = "RULE")]
    stop: Vec<Stop>,

    /// Energies of operations: horowitz-fp32, horowitz-fp16, horowitz-int8, lemaire-2022, loihi, or one of --energy-file; may be
    /// given several times [default: horowitz-fp32, or all of --energy-file]
    #[arg(long, value_name = "PRESET")]
    energy: Vec<String>,

    /// Own energies, in TOML: tables by name with source, and addition, multiply-add and the like in pJ
    #[arg(long, value_parser = output::file(), value_name = "ENERGY.TOML")]
    energy_file: Option<PathBuf>,

    /// Count NeuroBench's MembraneUpdates, too: one pass over all neurons in every step
    #[arg(long)]
    membrane_updates: bool,

    /// Which simulator runs it; the results are the same, bit for bit
    #[arg(long, value_enum, default_value = "auto")]
    mode: ModeName,

    /// Threads to spread the samples over [default: one for each processor]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=crate::samples::MOST), allow_negative_numbers = true)]
    threads: Option<u16>,
}

/// What an evaluation gave, with what it was made of.
pub struct Evaluated {
    pub net: Net,
    pub samples: Samples,
    pub threads: usize,
    pub simulator: AnySimulator,
    pub evaluation: Evaluation,
    pub report: EvaluationReport,
    pub trained: Option<TrainedNet>,
    pub provenance: Provenance,
}

/// The trained net beside, and the samples that are run as it takes them.
pub struct TrainedNet {
    pub ann: Ann,
    pub samples: Vec<f32>,
    classes: Vec<usize>,
    files: Vec<FileDigest>,
}

impl EvalArgs {
    /// The files that are read.
    pub fn files(&self) -> Vec<Named<'_>> {
        let mut files = vec![
            ("--net", Some(self.net.net.as_path())),
            ("--input", Some(self.input.input.as_path())),
            ("--labels", self.labels.as_deref()),
            ("--model", self.model.as_deref()),
            ("--energy-file", self.energy_file.as_deref()),
        ];
        files.extend(self.parts.inputs());
        files
    }

    /// The file that a part is kept in.
    pub fn part(&self) -> Named<'_> {
        self.parts.output()
    }

    /// Runs the samples; `neuron_spikes` counts those of every neuron.
    pub fn evaluate(mut self, command: &'static str, neuron_spikes: bool) -> Result<Evaluated> {
        let (presets, energies) = self.presets()?;
        if let Some(&last) = self.points.last() {
            self.input.steps = Some(last);
        }
        let net = self.net.read()?;
        let network = &net.network;
        let mut samples = self.input.read(&net)?;
        let mut plan = self.plan(&net, samples.until)?;
        // A part may become one of a page.
        plan.neuron_spikes = neuron_spikes || self.parts.is_kept();
        let parted = self.parts.of(&net, &self.input, &mut samples, options(&plan))?;
        let classes = network.population(network.output()).size();
        let (labels, labels_file) = self.labels(&samples, classes)?.unzip();
        let trained = self.trained(&net, &samples, classes)?;
        output::notes(&samples.notes);
        let memory = Memory::of(self.mode.mode(), network, u64::from(samples.steps));
        let threads = net.simulators(memory, threads(self.threads.map(usize::from)))?;
        let simulator = AnySimulator::new(self.mode.mode(), network.clone());
        let evaluation = parted.or_run(network, &samples, || {
            let bar = progress::bar(samples.range.len(), command);
            let range = samples.range.clone();
            let evaluation =
                evaluate(range, threads, &simulator, &net.description, &samples.input, &plan, || {
                    bar.inc(1);
                    Ok::<_, NetworkError>(())
                })?;
            bar.finish_and_clear();
            Ok(evaluation)
        })?;
        let report = EvaluationReport::of(
            &evaluation,
            &Context {
                network,
                labels: labels.as_deref(),
                trained: trained.as_ref().map(|trained| &trained.classes[..]),
                once: samples.input.arrives_once(),
                membrane_updates: plan.membrane_updates,
                presets: &presets,
            },
        );
        let names: Vec<&str> = presets.iter().map(|(name, _)| name.as_str()).collect();
        let provenance = self
            .provenance(command, &net, &samples, &plan, threads)
            .file("labels", labels_file.flatten())
            .model(trained.as_ref().map_or(&[], |trained| &trained.files[..]))
            .file("energy_file", energies)
            .options([("energy", json!(names))])
            .options(parted.options());
        drop(parted);
        Ok(Evaluated { net, samples, threads, simulator, evaluation, report, trained, provenance })
    }

    /// What the report is made of, but for the files that not every run has.
    fn provenance(
        &self,
        command: &'static str,
        net: &Net,
        samples: &Samples,
        plan: &Plan,
        threads: usize,
    ) -> Provenance {
        provenance::of(command)
            .file("net", Some(net.file.clone()))
            .file("input", samples.file.clone())
            .options(self.net.options(net.memory_limit))
            .options(self.input.options(samples))
            .options(options(plan))
            .options([
                ("input_mean", json!(self.input_mean)),
                ("input_std", json!(self.input_std)),
                ("mode", json!(self.mode.name())),
                ("threads", json!(threads)),
            ])
    }

    /// The energies that are asked for, by name, and the file that some are from.
    fn presets(&self) -> Result<Energies> {
        let mut file = None;
        let mut own = None;
        if let Some(path) = &self.energy_file {
            let at = || path.display().to_string();
            let bytes = snn_formats::regular::read(path).with_context(at)?;
            file = Some(FileDigest::new(path, Digest::of(&bytes)));
            let text = String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("it is no text in UTF-8"));
            own = Some(text.with_context(at)?);
        }
        match (chosen_presets(&self.energy, own.as_deref()), &self.energy_file) {
            (Ok(presets), _) => Ok((presets, file)),
            (Err(error @ EnergyError::Unknown { .. }), _) => Err(Usage(format!("--energy: {error}")).into()),
            (Err(error), Some(path)) => Err(error).with_context(|| path.display().to_string()),
            (Err(error), None) => Err(error.into()),
        }
    }

    fn plan(&self, net: &Net, until: Until) -> Result<Plan> {
        let plan = Plan::new(&self.points, until, self.readout_from)
            .and_then(|plan| plan.stopping(&self.stop, &net.network, &net.description));
        match plan {
            Ok(plan) => Ok(Plan { membrane_updates: self.membrane_updates, ..plan }),
            Err(error @ PlanError::Points) => Err(Usage(format!("--points: {error}")).into()),
            Err(error @ PlanError::ReadOut { .. }) => Err(Usage(format!("--readout-from: {error}")).into()),
            Err(error @ PlanError::Confidence) => {
                Err(error).with_context(|| format!("{}: --stop", self.net.net.display()))
            }
        }
    }

    /// The labels of the samples that are run, and their file.
    fn labels(&self, samples: &Samples, classes: usize) -> Result<Option<(Vec<usize>, Option<FileDigest>)>> {
        let Some(path) = &self.labels else { return Ok(None) };
        let labels = read_labels(path, samples.input.samples(), classes)?;
        let label = |&label: &i64| usize::try_from(label).context("a label is negative");
        let run = labels.classes[samples.range.clone()].iter().map(label).collect::<Result<_>>()?;
        Ok(Some((run, labels.file)))
    }

    /// The trained net, with what it says of the samples that are run.
    fn trained(&self, net: &Net, samples: &Samples, classes: usize) -> Result<Option<TrainedNet>> {
        let Some(path) = &self.model else { return Ok(None) };
        let ModelFile { model, files, .. } =
            models::read(path, None, &Choice::default(), InSteps::default())?;
        let Model::Trained(ann) = model else {
            bail!("{}: it is a spiking net already; allowed are trained nets", path.display());
        };
        let at = || path.display().to_string();
        if ann.output_shape().elements() != classes {
            bail!(
                "{}: it has {} outputs, and the network {classes}; allowed is the net that it was converted from",
                path.display(),
                ann.output_shape().elements()
            );
        }
        let width = ann.input_shape().elements();
        let values = self.input.values(net, samples)?;
        if values.len() != samples.input.samples() * width {
            bail!(
                "{}: its input is {}, which the samples of {} are not; allowed is the net that the network was converted from",
                path.display(),
                ann.input_shape(),
                self.input.input.display()
            );
        }
        let given = &values[samples.range.start * width..samples.range.end * width];
        let samples = as_trained(&ann, given, &self.input_mean, &self.input_std).with_context(at)?;
        let classes = trained_classes(&ann, &samples).with_context(at)?;
        Ok(Some(TrainedNet { ann, samples, classes, files }))
    }
}

/// The options in effect that a plan is.
fn options(plan: &Plan) -> [(&'static str, Value); 4] {
    let stops: Vec<String> = plan.stops.iter().map(Stop::to_string).collect();
    [
        ("points", json!(plan.points)),
        ("readout_from", json!(plan.read_out_from)),
        ("stop", json!(stops)),
        ("membrane_updates", json!(plan.membrane_updates)),
    ]
}

/// Energies by name, and the file that some are from.
type Energies = (Vec<(String, Preset)>, Option<FileDigest>);

/// The report for programs.
#[derive(Serialize)]
struct Told<'a> {
    provenance: Provenance,
    #[serde(flatten)]
    report: &'a EvaluationReport,
}

/// The most points that are listed for people.
const LISTED: usize = 16;

fn share(proportion: &Proportion) -> String {
    format!(
        "{} ({} … {})",
        output::percent(proportion.share),
        output::decimal(proportion.low * 100.0, 1),
        output::decimal(proportion.high * 100.0, 1)
    )
}

fn text(report: &EvaluationReport) -> String {
    let mut text = format!("{}\n\n", output::counted(report.samples, "sample"));
    let number = |number: f64| output::decimal(number, 0);
    let labelled = report.points.iter().any(|point| point.accuracy.is_some());
    // All of a few, else the powers of two and the last.
    let last = report.points.len().saturating_sub(1);
    let all = report.points.len() <= LISTED;
    let listed = report.points.iter().enumerate();
    let rows = listed.filter(|(place, point)| all || *place == last || point.steps.is_power_of_two()).map(
        |(_, point)| {
            let spent = &point.spent;
            vec![
                format!("T = {}", output::count(point.steps.into())),
                point.accuracy.as_ref().map_or_else(|| output::percent(point.settled.share), share),
                number(spent.spikes),
                number(spent.synaptic_operations),
                number(spent.touched_potentials),
            ]
        },
    );
    let first = if labelled { "accuracy\n(95 % interval)" } else { "class as\nat the end" };
    text +=
        &table::table(&["per sample", first, "spikes", "synaptic\noperations", "touched\npotentials"], rows);
    if !report.stops.is_empty() {
        let rows = report.stops.iter().map(|stop| {
            vec![
                stop.rule.to_string(),
                stop.accuracy.as_ref().map_or("–".into(), share),
                output::decimal(stop.mean_steps, 1),
                stop.quantiles.map(|steps| output::count(steps.into())).join(" / "),
                output::count(stop.unended),
                number(stop.spent.synaptic_operations),
            ]
        });
        let head = [
            "early end",
            "accuracy\n(95 % interval)",
            "mean\nsteps",
            "50 / 90 /\n100 %",
            "never",
            "synaptic\noperations",
        ];
        text += &format!("\n\n{}", table::table(&head, rows));
    }
    if let Some(trained) = &report.trained {
        text += "\n\ntrained net:";
        if let Some(accuracy) = &trained.accuracy {
            text += &format!(" accuracy {},", share(accuracy));
        }
        text += &format!(" same class {}", output::percent(trained.agreement.share));
        if let Some(test) = &trained.mcnemar {
            text += &format!(
                "\nright only there {}, only here {}: McNemar p = {:.3}",
                output::count(test.only_first),
                output::count(test.only_second),
                test.p
            );
        }
    }
    let bench = &report.neurobench;
    let operations = &bench.synaptic_operations;
    let mut rows = vec![
        ("Footprint, bytes", output::count(bench.footprint)),
        ("(bytes as stored)", output::count(bench.sparse_bytes)),
        ("ConnectionSparsity", format!("{:.4}", bench.connection_sparsity)),
        ("ActivationSparsity", format!("{:.4}", bench.activation_sparsity)),
        ("Effective_MACs", number(operations.Effective_MACs)),
        ("Effective_ACs", number(operations.Effective_ACs)),
        ("Dense", number(operations.Dense)),
    ];
    rows.extend(bench.membrane_updates.map(|updates| ("MembraneUpdates", number(updates))));
    let rows = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]);
    text += &format!("\n\n{}", table::table(&["NeuroBench 2.3, per sample", ""], rows));
    for energy in &report.energy {
        let rows = energy.terms.iter().map(|term| {
            vec![
                term.operation.to_owned(),
                number(term.count),
                output::decimal(term.picojoules, 2),
                output::decimal(term.count * term.picojoules / 1e3, 2),
            ]
        });
        let total =
            vec!["sum".to_owned(), String::new(), String::new(), output::decimal(energy.nanojoules, 2)];
        text += &format!(
            "\n\n{}",
            table::table(&[&energy.preset, "number", "pJ each", "nJ"], rows.chain([total]))
        );
    }
    if !report.rivals.is_empty() {
        let rows = report.rivals.iter().map(|rival| {
            vec![
                rival.name.clone(),
                output::count(rival.multiply_adds),
                output::decimal(rival.picojoules, 2),
                output::decimal(rival.nanojoules, 2),
                match rival.crossover_rate {
                    None => "–".into(),
                    Some(rate) if rate > 1.0 => "any".into(),
                    Some(rate) => output::percent(rate),
                },
            ]
        });
        let head = ["trained net, arithmetic", "multiply-\nadds", "pJ each", "nJ", "crossover\nrate"];
        text += &format!("\n\n{}", table::table(&head, rows));
    }
    text.push('\n');
    text
}
