use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};
use snn_engine::{Connectivity, Lattice, PerNeuron, Rows};
use snn_formats::{Arrives, Basis, FileDigest, InputRange, NetFile, Provenance, RunLength};
use unicode_width::UnicodeWidthStr;

use crate::samples::NetArgs;
use crate::{output, provenance, table};

/// Tell what is in a net.bin: populations, projections, sizes and where it came from.
#[derive(Args)]
#[command(after_help = "Example:
  snn-event inspect --net net.bin --json - | jq '.projections[].density'")]
pub struct Inspect {
    #[command(flatten)]
    net: NetArgs,

    /// Write a report as JSON; `-` writes it to standard output, and nothing else
    #[arg(long, value_name = "REPORT.JSON")]
    json: Option<PathBuf>,
}

/// What is in a `net.bin`.
#[derive(Serialize)]
pub struct Report {
    provenance: Provenance,
    net: String,
    bytes: u64,
    neurons: u64,
    synapses: u64,
    stored_weights: u64,
    populations: Vec<PopulationReport>,
    projections: Vec<ProjectionReport>,
    description: DescriptionReport,
    /// What the net became otherwise than it was, or what was assumed of it, when it was taken as it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// What a `net.bin` says about its network, as in its head.
#[derive(Serialize)]
struct DescriptionReport {
    /// What made it, of what.
    provenance: Map<String, Value>,
    /// What the conversion did, layer by layer, if something was converted.
    report: Option<Map<String, Value>>,
    /// The runs that it is made for, if it is made for some.
    run: Option<RunLength>,
    /// The values of the input that it was calibrated on, if it was.
    input: Option<InputRange>,
}

#[derive(Serialize)]
struct PopulationReport {
    name: String,
    kind: &'static str,
    shape: Vec<usize>,
    neurons: usize,
    /// Of every parameter of the model its smallest and its largest value.
    parameters: BTreeMap<&'static str, [f32; 2]>,
    /// Of every choice of the model the option taken.
    choices: BTreeMap<&'static str, &'static str>,
    /// What a spike in every step stands for, in the trained net's unit.
    scale: Option<[f32; 2]>,
    /// What makes its potentials exact, if weights and parameters are whole multiples of one unit.
    lattice: Option<LatticeReport>,
}

#[derive(Serialize)]
struct LatticeReport {
    /// The exponent of the unit, a power of two.
    exponent: i32,
    /// The most units that spikes can bring in a step; of a source if all its spikes have the value 1.
    most_current: u32,
    /// The steps for which all potentials are exact, whatever arrives.
    steps: u64,
}

#[derive(Serialize)]
struct ProjectionReport {
    source: String,
    target: String,
    delay: u32,
    kind: String,
    /// What a weight is stored as: f32, int16, int8 or int4.
    stored_as: &'static str,
    /// Synapses, shared weights counted at every place where they are used.
    synapses: u64,
    stored_weights: u64,
    /// Synapses beside those of the same projection unpruned.
    density: f64,
}

/// The smallest and the largest value.
fn ends(values: &PerNeuron) -> [f32; 2] {
    let all = values.values();
    [all.iter().copied().fold(f32::INFINITY, f32::min), all.iter().copied().fold(f32::NEG_INFINITY, f32::max)]
}

fn kind(connectivity: &Connectivity) -> String {
    let rows = |rows: &Rows| match rows {
        Rows::Sparse(_) => "sparse",
        Rows::Dense(_) => "dense",
    };
    match connectivity {
        Connectivity::Rows(of) => format!("{} rows", rows(of)),
        Connectivity::OneToOne(_) => "one-to-one".into(),
        Connectivity::Conv2d(conv) => {
            let g = conv.geometry();
            format!("convolution {}×{}, {}", g.kernel[0], g.kernel[1], rows(conv.rows()))
        }
    }
}

impl Inspect {
    pub fn run(self) -> Result<ExitCode> {
        output::check(&[("--net", Some(self.net.net.as_path()))], &[("--json", self.json.as_deref())])?;
        let file = NetFile::open_within(&self.net.net, self.net.source(), self.net.memory_limit)?;
        let provenance = provenance::of("inspect").options(self.net.options(file.memory_limit));
        Report::of(&self.net.net, &file, provenance)?.write(self.json.as_deref())?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Report {
    /// What is in the file at a path.
    pub fn of(path: &Path, file: &NetFile, provenance: Provenance) -> Result<Self> {
        let network = &file.network;
        let lattices: Vec<Option<&Lattice>> = network.ids().map(|id| network.lattice(id)).collect();
        let populations = network.populations().iter().enumerate().map(|(place, population)| {
            let (mut parameters, mut choices) = (BTreeMap::new(), BTreeMap::new());
            if let Some(model) = population.neuron().model() {
                let described = model.description();
                let values = described.parameters.iter().zip(model.parameters());
                parameters.extend(values.map(|(parameter, values)| (parameter.name, ends(values))));
                let options = described.choices.iter().zip(model.choices());
                choices.extend(options.map(|(choice, option)| (choice.name, choice.options[option])));
            }
            PopulationReport {
                name: population.name().to_owned(),
                kind: population.neuron().kind(),
                shape: population.layout().shape(),
                neurons: population.size(),
                parameters,
                choices,
                scale: file.description.unit(place).map(|unit| ends(&unit.scale)),
                lattice: lattices[place].map(|lattice| LatticeReport {
                    exponent: lattice.exponent(),
                    most_current: lattice.most_current(),
                    steps: lattice.steps(),
                }),
            }
        });
        let projections = network.projections().iter().map(|projection| {
            let connectivity = projection.connectivity();
            ProjectionReport {
                source: network.population(projection.source()).name().to_owned(),
                target: network.population(projection.target()).name().to_owned(),
                delay: projection.delay(),
                kind: kind(connectivity),
                stored_as: connectivity.weight_type().name(),
                synapses: connectivity.synapses(),
                stored_weights: connectivity.stored_weights(),
                density: connectivity.stored_weights() as f64 / weight_places(connectivity).max(1) as f64,
            }
        });
        let projections: Vec<ProjectionReport> = projections.collect();
        let description = &file.description;
        let report = description.report.as_deref().map(serde_json::from_str).transpose();
        let report = report.with_context(|| format!("{}: its report cannot be read", path.display()))?;
        Ok(Report {
            provenance: provenance.file("net", Some(FileDigest::new(path, file.digest))),
            net: path.display().to_string(),
            bytes: file.length as u64,
            neurons: network.populations().iter().map(|population| population.size() as u64).sum(),
            synapses: projections.iter().map(|projection| projection.synapses).sum(),
            stored_weights: projections.iter().map(|projection| projection.stored_weights).sum(),
            populations: populations.collect(),
            projections,
            description: DescriptionReport {
                provenance: description.provenance.clone(),
                report,
                run: description.run,
                input: description.input,
            },
            notes: vec![],
        })
    }

    /// The same, with what was noted when the file was made.
    #[must_use]
    pub fn noted(self, notes: &[String]) -> Self {
        Report { notes: notes.to_vec(), ..self }
    }

    /// Writes the report where it is wanted, for programs or for people.
    pub fn write(&self, json: Option<&Path>) -> Result<()> {
        if let Some(path) = json {
            output::write_json(path, self)?;
        }
        if !output::wants_only_json(json) {
            let notes: String = self.notes.iter().map(|note| format!("note: {note}\n")).collect();
            output::print(&format!("{notes}{}", self.text()))?;
        }
        Ok(())
    }
}

/// A member of a provenance in lines that fit a terminal: without what is null or empty, and without JSON's signs.
fn told(key: &str, value: &Value) -> String {
    fn plain(value: &Value) -> String {
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }
    let is_said = |value: &Value| !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty());
    let words: Vec<String> = match value {
        Value::Object(members) => {
            let said = members.iter().filter(|(_, value)| is_said(value));
            said.map(|(name, value)| format!("{name} {}", plain(value))).collect()
        }
        other => vec![plain(other)],
    };
    let mut text = format!("{key}:");
    let mut width = text.width();
    for (place, word) in words.iter().enumerate() {
        let comma = if place + 1 < words.len() { "," } else { "" };
        if width + 1 + word.width() + comma.len() > table::WIDTH && place > 0 {
            text.push_str("\n ");
            width = 1;
        }
        text += &format!(" {word}{comma}");
        width += 1 + word.width() + comma.len();
    }
    text
}

/// The number of weights that would be stored if none were zero.
fn weight_places(connectivity: &Connectivity) -> u64 {
    match connectivity {
        Connectivity::Rows(rows) => rows.len() as u64 * rows.width() as u64,
        Connectivity::Conv2d(conv) => {
            conv.rows().len() as u64 * conv.rows().width() as u64 / u64::from(conv.geometry().groups)
        }
        Connectivity::OneToOne(one) => one.weights().period() as u64,
    }
}

impl Report {
    fn text(&self) -> String {
        let mut text = format!(
            "{}: {}, {} neurons, {} synapses ({} weights stored)\n\n",
            self.net,
            output::bytes(self.bytes),
            output::count(self.neurons),
            output::count(self.synapses),
            output::count(self.stored_weights)
        );
        let ends = |&[low, high]: &[f32; 2]| {
            if low == high { format!("{low}") } else { format!("{low:.4} … {high:.4}") }
        };
        let rows = self.populations.iter().map(|population| {
            let parameters =
                population.parameters.iter().map(|(name, values)| format!("{name} {}", ends(values)));
            let choices = population.choices.iter().map(|(name, option)| format!("{name} {option}"));
            let lattice = population.lattice.as_ref().map(|lattice| match lattice.steps {
                u64::MAX => format!("lattice of 2^{}", lattice.exponent),
                steps => format!("lattice of 2^{}, exact for {steps} steps", lattice.exponent),
            });
            vec![
                population.name.clone(),
                population.kind.to_owned(),
                format!("{:?}", population.shape),
                parameters.chain(choices).chain(lattice).collect::<Vec<_>>().join("\n"),
            ]
        });
        text += &table::table(&["population", "kind", "shape", "parameters"], rows);
        text += "\n\n";
        let rows = self.projections.iter().map(|projection| {
            vec![
                format!("{} → {}", projection.source, projection.target),
                match projection.stored_as {
                    "f32" => projection.kind.clone(),
                    whole => format!("{}, {whole}", projection.kind),
                },
                projection.delay.to_string(),
                output::count(projection.synapses),
                output::count(projection.stored_weights),
                output::percent(projection.density),
            ]
        });
        let head = ["projection", "connectivity", "delay", "synapses", "weights", "density"];
        text += &table::table(&head, rows);
        text.push('\n');
        if let Some(RunLength { steps, basis, arrives, until_quiet }) = self.description.run {
            text += &match until_quiet {
                true => format!(
                    "\nmade for runs until it is quiet, of at most {} steps",
                    output::count(steps.into())
                ),
                false => format!("\nmade for runs of T = {steps}"),
            };
            text += match arrives {
                Arrives::EveryStep => "",
                Arrives::Once => ", with input that arrives once",
            };
            text += match basis {
                Basis::Fitted => ", to whose spikes it is fitted",
                Basis::Scaled => ", for which its scales are chosen",
                Basis::Stated => "",
                Basis::Settled => ", after which it is at rest",
            };
        }
        if let Some(InputRange { smallest, largest }) = self.description.input {
            text += &format!("\ncalibrated on input from {smallest} to {largest}");
        }
        for (key, value) in &self.description.provenance {
            text.push('\n');
            text += &told(key, value);
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }
}
