//! The pages of a run and of a study.

use std::path::Path;

use serde_json::Value;
use snn_converter::ann::Ann;
use snn_engine::{AnySimulator, Input, Network, NetworkError};
use snn_formats::{AtomicFile, Description, FormatError, Origin};

use crate::evaluate::Evaluation;
use crate::figures::{Figure, FigureError, Shown, of_run, of_study};
use crate::look::look;
use crate::page::{Page, Section, Table};
use crate::proportion::Proportion;
use crate::report::EvaluationReport;
use crate::study::Results;
use crate::tables::{CSV_HEAD, csv_rows};
use crate::trained::TrainedError;

fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

fn share(proportion: &Proportion) -> String {
    let [share, low, high] = [proportion.share, proportion.low, proportion.high].map(|share| share * 100.0);
    format!("{share:.2} % ({low:.1} … {high:.1})")
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// The figures whose names begin so, taken out of all.
fn take(figures: &mut Vec<Figure>, beginnings: &[&str]) -> Vec<Figure> {
    let (taken, rest) = std::mem::take(figures)
        .into_iter()
        .partition(|figure| beginnings.iter().any(|beginning| figure.name.starts_with(beginning)));
    *figures = rest;
    taken
}

/// Why a page cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// A figure cannot be drawn.
    #[error(transparent)]
    Figure(#[from] FigureError),
    /// The samples do not fit the network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// They do not fit the trained net.
    #[error(transparent)]
    Trained(#[from] TrainedError),
    /// What the network was made of is no JSON.
    #[error("the network's report: {0}")]
    Conversion(#[from] serde_json::Error),
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FormatError),
    /// There is nothing to be drawn.
    #[error("it has no results yet; run the sweep first")]
    NoResults,
}

/// Samples that are looked at more closely.
const LOOKED_AT: usize = 16;

/// What the page of a run is made of.
pub struct RunPage<'a> {
    /// The network.
    pub network: &'a Network,
    /// What it says of itself.
    pub description: &'a Description,
    /// What ran it.
    pub simulator: &'a AnySimulator,
    /// The samples.
    pub input: &'a Input,
    /// Those that were run.
    pub samples: std::ops::Range<usize>,
    /// Steps of the longest run.
    pub steps: u32,
    /// Threads for the closer look at some of them.
    pub threads: usize,
    /// What they gave, with the spikes of every neuron.
    pub evaluation: &'a Evaluation,
    /// The same as it is told.
    pub report: &'a EvaluationReport,
    /// The trained net, and the samples that were run as it takes them.
    pub trained: Option<(&'a Ann, &'a [f32])>,
    /// What the run was made of, a JSON object.
    pub provenance: &'a Value,
}

impl RunPage<'_> {
    /// Draws the page. Some samples are run once more, with their spikes kept.
    ///
    /// # Errors
    /// [`PageError`].
    pub fn page(&self) -> Result<Page, PageError> {
        let Self { network, description, .. } = *self;
        let range = self.samples.start..self.samples.end.min(self.samples.start + LOOKED_AT);
        let looked = look(range.clone(), self.threads, self.simulator, self.input, self.steps)?;
        let activations = match self.trained {
            Some((ann, samples)) => {
                let values = &samples[..range.len() * ann.input_shape().elements()];
                looked.activations(network, description, ann, values, self.input.arrives_once())?
            }
            None => vec![],
        };
        let conversion: Option<Value> =
            description.report.as_deref().map(serde_json::from_str).transpose()?;
        let shown = Shown {
            network,
            report: self.report,
            evaluation: self.evaluation,
            look: &looked,
            activations: &activations,
            conversion: conversion.as_ref(),
        };
        let origin = Value::Object(description.provenance.clone());
        Ok(Page::of_run(&shown, of_run(&shown)?, self.provenance, &origin))
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), FormatError> {
    let mut file = AtomicFile::create(path)?;
    file.append(bytes)?;
    file.commit()
}

impl Page {
    /// Writes the page as HTML, and, if a folder for them is named, the SVG, PDF and CSV of every figure; the folder is made if
    /// it is not there.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, out: &Path, figures: Option<&Path>) -> Result<(), FormatError> {
        write(out, self.html().as_bytes())?;
        let Some(folder) = figures else { return Ok(()) };
        std::fs::create_dir_all(folder).map_err(|error| {
            let what = format!("the folder cannot be made: {error}");
            Origin::file(folder).system_error(error.kind(), what)
        })?;
        for figure in self.figures() {
            let files =
                [("svg", figure.svg.as_bytes()), ("pdf", &figure.pdf), ("csv", figure.csv.as_bytes())];
            for (ending, bytes) in files {
                write(&folder.join(format!("{}.{ending}", figure.name)), bytes)?;
            }
        }
        Ok(())
    }

    /// The page of a run: its figures, the numbers of its report, what it was made of (`provenance`) and what the network was made
    /// of (`origin`), both JSON objects.
    fn of_run(shown: &Shown<'_>, mut figures: Vec<Figure>, provenance: &Value, origin: &Value) -> Self {
        let report = shown.report;
        let section = |title: &str, text: &str, figures, tables| Section {
            title: title.into(),
            text: text.into(),
            figures,
            tables,
            verbatim: String::new(),
        };
        let mut sections = vec![section(
            "Accuracy",
            "Every point is exactly what a run of that length gives.",
            take(&mut figures, &["accuracy", "ends"]),
            [classes(report)].into_iter().flatten().collect(),
        )];
        let layers = take(&mut figures, &["spikes", "sparsity", "rates"]);
        sections.push(section("Populations", "Means over samples.", layers, vec![populations(report)]));
        sections.push(section(
            "Spikes and activations",
            "",
            take(&mut figures, &["raster", "activations"]),
            vec![],
        ));
        let energy = take(&mut figures, &["energy"]);
        sections.push(section(
            "Costs",
            "Names and definitions of the first table are NeuroBench's. No energy is told without the operations it is made of.",
            energy,
            [Some(neurobench(report)), rivals(report)].into_iter().flatten().collect(),
        ));
        if !figures.is_empty() {
            sections.push(section("Conversion", "", figures, vec![]));
        }
        sections.push(section(
            "Digests",
            "By population, which spikes were emitted: equal for every mode and number of threads.",
            vec![],
            vec![digests(report)],
        ));
        sections.push(Section {
            title: "Configuration".into(),
            text:
                "What this page was made of, with all options in effect; then what the network was made of."
                    .into(),
            verbatim: format!("{}\n\n{}", pretty(provenance), pretty(origin)),
            ..Section::default()
        });
        Self { title: "Run of a spiking network".into(), summary: summary(report), sections }
    }

    /// The page of a study: its figures, its table, and what its results are results of.
    ///
    /// # Errors
    /// If there are no results, or a figure cannot be drawn.
    pub fn of_study(results: &Results) -> Result<Self, PageError> {
        let Results { head, rows } = results;
        if rows.is_empty() {
            return Err(PageError::NoResults);
        }
        let mut figures = of_study(rows)?;
        let section = |title: &str, text: &str, figures| Section {
            title: title.into(),
            text: text.into(),
            figures,
            ..Section::default()
        };
        let accuracy = take(&mut figures, &["accuracy"]);
        let rates = take(&mut figures, &["rates"]);
        let mut table = Table {
            head: CSV_HEAD.map(|name| name.replace('_', " ")).to_vec(),
            rows: csv_rows(rows).into_iter().map(|row| row.to_vec()).collect(),
        };
        table.head.push("spike digest".into());
        for (cells, row) in table.rows.iter_mut().zip(rows) {
            cells.push(row.spike_digest.clone());
        }
        let best = rows.iter().max_by(|one, other| one.accuracy.total_cmp(&other.accuracy));
        let summary = best.map_or(String::new(), |best| {
            format!(
                "{} cells of {} samples. The most accurate: {}, {}, {} connections left, T = {}: {:.2} % (trained net {:.2} %).",
                rows.len(),
                best.samples,
                best.model,
                best.recipe,
                format_args!("{:.1} % of", best.connectivity * 100.0),
                best.steps,
                best.accuracy * 100.0,
                best.trained_accuracy * 100.0
            )
        });
        let sections = vec![
            section("Accuracy", "", accuracy),
            section("Rates", "", rates),
            section("Energy", "", figures),
            Section { title: "All cells".into(), tables: vec![table], ..Section::default() },
            Section {
                title: "Configuration".into(),
                text: "What the results are results of.".into(),
                verbatim: pretty(&Value::Object(head.clone())),
                ..Section::default()
            },
        ];
        Ok(Self { title: "Study of spiking networks".into(), summary, sections })
    }
}

fn summary(report: &EvaluationReport) -> String {
    let last = report.points.last();
    let mut text = format!("{} samples, T = {}.", report.samples, report.steps);
    if let Some(accuracy) = last.and_then(|point| point.accuracy.as_ref()) {
        text += &format!(" Accuracy {}.", share(accuracy));
    }
    if let Some(trained) = &report.trained {
        if let Some(accuracy) = &trained.accuracy {
            text += &format!(" Trained net: {}.", share(accuracy));
        }
        text += &format!(" Same class: {:.2} %.", trained.agreement.share * 100.0);
        if let Some(test) = &trained.mcnemar {
            text += &format!(" McNemar's p = {:.3}.", test.p);
        }
    }
    text
}

fn classes(report: &EvaluationReport) -> Option<Table> {
    let row = |class: &crate::report::ClassReport| {
        vec![
            class.class.to_string(),
            class.recall.samples.to_string(),
            share(&class.recall),
            share(&class.precision),
        ]
    };
    let rows: Vec<_> = report.classes.iter().map(row).collect();
    let head = texts(["class", "samples", "recall (95 % interval)", "precision (95 % interval)"]);
    (!rows.is_empty()).then_some(Table { head, rows })
}

fn populations(report: &EvaluationReport) -> Table {
    let row = |costs: &crate::costs::PopulationCosts| {
        let means =
            [costs.spikes, costs.magnitude, costs.additions, costs.multiply_adds, costs.touched_potentials];
        let mut row = vec![costs.population.clone(), costs.neurons.to_string()];
        row.extend(means.map(|mean| format!("{mean:.1}")));
        row
    };
    Table {
        head: texts([
            "population",
            "neurons",
            "spikes",
            "magnitude",
            "additions",
            "multiply-adds",
            "touched potentials",
        ]),
        rows: report.populations.iter().map(row).collect(),
    }
}

fn neurobench(report: &EvaluationReport) -> Table {
    let bench = &report.neurobench;
    let operations = &bench.synaptic_operations;
    let mut rows = vec![
        vec!["Footprint (bytes)".to_owned(), bench.footprint.to_string()],
        vec!["bytes as stored, sparse (not NeuroBench's)".to_owned(), bench.sparse_bytes.to_string()],
        vec!["ConnectionSparsity".to_owned(), format!("{:.4}", bench.connection_sparsity)],
        vec!["ActivationSparsity".to_owned(), format!("{:.4}", bench.activation_sparsity)],
        vec!["Effective_MACs (per sample)".to_owned(), format!("{:.1}", operations.Effective_MACs)],
        vec!["Effective_ACs (per sample)".to_owned(), format!("{:.1}", operations.Effective_ACs)],
        vec!["Dense (per sample)".to_owned(), format!("{:.1}", operations.Dense)],
    ];
    rows.extend(
        bench
            .membrane_updates
            .map(|updates| vec!["MembraneUpdates (per sample)".to_owned(), format!("{updates:.1}")]),
    );
    Table { head: texts(["NeuroBench 2.3", "value"]), rows }
}

fn rivals(report: &EvaluationReport) -> Option<Table> {
    let row = |rival: &crate::energy::Rival| {
        let crossover = match rival.crossover_rate {
            None => "none".into(),
            Some(rate) if rate > 1.0 => "any".into(),
            Some(rate) => format!("{:.2} %", rate * 100.0),
        };
        vec![
            rival.name.clone(),
            rival.multiply_adds.to_string(),
            format!("{:.2}", rival.picojoules),
            format!("{:.2}", rival.nanojoules),
            crossover,
        ]
    };
    let rows: Vec<_> = report.rivals.iter().map(row).collect();
    let head =
        texts(["trained net, arithmetic", "multiply-adds", "pJ each", "nJ per sample", "crossover rate"]);
    (!rows.is_empty()).then_some(Table { head, rows })
}

fn digests(report: &EvaluationReport) -> Table {
    Table {
        head: texts(["population", "spike-train digest"]),
        rows: report
            .spike_digests
            .iter()
            .map(|digest| vec![digest.population.clone(), digest.digest.clone()])
            .collect(),
    }
}
