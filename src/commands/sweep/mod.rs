mod grid;

use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use rayon::prelude::*;
use serde_json::json;
use snn_converter::ann::Ann;
use snn_converter::import::onnx::{self, Choice};
use snn_converter::prune::{Scope, prune};
use snn_converter::simplify::simplify;
use snn_formats::samples::batch;
use snn_formats::{Digest, FileDigest};
use snn_research::{CSV_HEAD, Group, Material, Row, Study, StudyModel, Trained, csv_rows, latex};

use crate::commands::Usage;
use crate::models::{self, InSteps, Model};
use crate::optional::Optional;
use crate::samples::{read_labels, read_samples, threads};
use crate::shard::Shard;
use crate::{output, progress, table};
use grid::Grid;

/// Run a grid of nets, sparsities, recipes and run lengths; a study that was interrupted goes on where it was.
///
/// Results are lines of JSON, one for each cell in order, the first of them what the study was made of. The file is the same,
/// byte for byte, whether or not the study was interrupted, and for every number of threads.
#[derive(Args)]
#[command(after_help = "Examples:
  snn-event sweep study.toml --out results.jsonl
  snn-event sweep study.toml --out results.jsonl --csv table.csv --latex table.tex
  snn-event sweep study.toml --out results.jsonl --verify
  snn-event sweep study.toml --shard 2/5 --out part-2.jsonl      # on one of five machines; then merge
  snn-event sweep --model m.onnx --sparsity 0,0.5,0.9 --T 1,2,4,8 --neuron unit,signed --max-spikes 4 \\
      --input x.npy --labels y.npy --calib x_calib.npy --out results.jsonl
  snn-event sweep --model m.onnx … --print-study > study.toml    # the same as a file, to be kept

A study.toml; paths are as seen from its folder:
  input = \"x.npy\"
  labels = \"y.npy\"
  calibration = \"x_calib.npy\"
  T = [1, 2, 4, 8, 16]
  sparsity = [0, 0.5, 0.9]          # pruned by magnitude; leave out for nets as they are
  [[model]]
  name = \"mlp\"
  file = \"mlp.onnx\"                # input-mean and input-std as in convert; family, to be drawn together;
                                    # layers, of files of weights only; input, labels and calibration if it has its own
  [[recipe]]                        # leave out for unit spikes
  name = \"signed, m = 4\"
  neuron = \"signed\"                # unit, multi, signed or settle; levels, max-spikes, percentile
  max-spikes = 4")]
pub struct Sweep {
    /// The study, in TOML
    #[arg(value_parser = output::file(), value_name = "STUDY.TOML")]
    study: Option<PathBuf>,

    #[command(flatten)]
    grid: Optional<Grid>,

    /// Print the study as it is in effect, in TOML, and run nothing
    #[arg(long, conflicts_with_all = ["out", "csv", "latex", "table", "shard", "verify", "memory_limit", "threads"])]
    print_study: bool,

    /// Where results are, or go
    #[arg(long, value_parser = output::file(), value_name = "RESULTS.JSONL", required_unless_present = "print_study")]
    out: Option<PathBuf>,

    /// Write the finished results as a table of comma separated values, too
    #[arg(long, value_parser = output::file(), value_name = "TABLE.CSV")]
    csv: Option<PathBuf>,

    /// Write the finished results as a LaTeX table, too
    #[arg(long, value_parser = output::file(), value_name = "TABLE.TEX")]
    latex: Option<PathBuf>,

    /// Write the finished results as a Parquet file, too; of programs that were built with the feature `parquet`
    #[arg(long, value_parser = output::file(), value_name = "TABLE.PARQUET")]
    table: Option<PathBuf>,

    /// Run one part of so many; `merge` joins them to the file of a single run
    #[arg(long, value_name = "i/n")]
    shard: Option<Shard>,

    /// Run the cells of a finished study again and compare: exit status 1 if one gives something else
    #[arg(long)]
    verify: bool,

    /// Bytes of memory that the runs of the cells may take together, as 512M or 4G: fewer cells are run at the same time [default: no limit]
    #[arg(long, value_name = "BYTES", value_parser = snn_formats::net::parse_bytes)]
    memory_limit: Option<u64>,

    /// Threads, one cell each [default: one for each processor]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=crate::samples::MOST), allow_negative_numbers = true)]
    threads: Option<u16>,
}

/// The files of a study.
struct Files {
    folder: PathBuf,
    study: Study,
    /// The first line of the results: what they are results of.
    head: serde_json::Value,
}

/// What the file of a study is called that is told by flags, should it be kept.
const KEPT: &str = "study.toml";

/// A study with its text, and where its paths are seen from.
struct Told {
    study: Study,
    text: String,
    path: PathBuf,
}

impl Told {
    fn read(path: PathBuf) -> Result<Self> {
        let at = || path.display().to_string();
        let bytes = snn_formats::regular::read(&path).with_context(at)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| anyhow::anyhow!("it is no text in UTF-8"))
            .with_context(at)?;
        Ok(Self { study: Study::parse(&text).with_context(at)?, text, path })
    }

    fn of_flags(grid: Grid) -> Result<Self> {
        let text = grid.study()?.to_toml().map_err(|error| Usage(error.to_string()))?;
        // What a file of this text would be.
        let study = Study::parse(&text).map_err(|error| Usage(error.to_string()))?;
        Ok(Self { study, text, path: KEPT.into() })
    }
}

impl Files {
    fn of(told: Told) -> Result<Self> {
        let Told { study, text, path } = told;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let digest = |path: &Path| -> Result<FileDigest> {
            let path = folder.join(path);
            let bytes = snn_formats::regular::read(&path)
                .with_context(|| format!("{}: cannot be read", path.display()))?;
            Ok(FileDigest::new(&path, Digest::of(&bytes)))
        };
        let models: Vec<_> = study.models.iter().map(|model| digest(&model.file)).collect::<Result<_>>()?;
        let mut head = json!({
            "tool": concat!("snn-event ", env!("CARGO_PKG_VERSION")),
            "study": FileDigest::new(&path, Digest::of(text.as_bytes())),
            "input": digest(&study.input)?,
            "labels": digest(&study.labels)?,
            "calibration": digest(&study.calibration)?,
            "models": models,
        });
        if study.models.iter().any(|model| model.layers.is_some()) {
            let layers = study.models.iter().map(|model| model.layers.as_deref().map(digest).transpose());
            head["layers"] = json!(layers.collect::<Result<Vec<_>>>()?);
        }
        let own = |path: &Option<PathBuf>| path.as_deref().map(digest).transpose();
        if study
            .models
            .iter()
            .any(|model| model.input.is_some() || model.labels.is_some() || model.calibration.is_some())
        {
            let of = |model: &StudyModel| -> Result<_> {
                Ok(json!([own(&model.input)?, own(&model.labels)?, own(&model.calibration)?]))
            };
            head["models_samples"] = study.models.iter().map(of).collect::<Result<_>>()?;
        }
        Ok(Self { folder, study, head })
    }

    /// The paths of all that is read.
    fn inputs(&self) -> Vec<PathBuf> {
        let study = &self.study;
        let mut all = vec![&study.input, &study.labels, &study.calibration];
        for (place, model) in study.models.iter().enumerate() {
            all.push(&model.file);
            all.extend(&model.layers);
            all.extend(study.files(place));
        }
        all.sort();
        all.dedup();
        all.into_iter().map(|path| self.folder.join(path)).collect()
    }

    fn ann(&self, group: &Group) -> Result<Ann> {
        let path = self.folder.join(&self.study.models[group.model].file);
        let at = || path.display().to_string();
        let layers = self.study.models[group.model].layers.as_ref().map(|layers| self.folder.join(layers));
        let Some(sparsity) = group.sparsity else {
            return match models::read(&path, layers.as_deref(), &Choice::default(), InSteps::default())?.model
            {
                Model::Trained(ann) => Ok(ann),
                Model::Spiking(_) => {
                    bail!("{}: it is a spiking net already; allowed are trained nets", path.display())
                }
            };
        };
        if path.extension().is_none_or(|ending| ending != "onnx") {
            bail!("{}: only .onnx files are pruned; leave `sparsity` out of the study", path.display());
        }
        let bytes = snn_formats::regular::read(&path).with_context(at)?;
        let pruned = prune(&bytes, sparsity, Scope::Global).with_context(at)?;
        simplify(&onnx::import(pruned.bytes, None).with_context(at)?.ann).with_context(at)
    }

    fn samples(&self, path: &Path, ann: &Ann, most: Option<usize>) -> Result<Vec<f32>> {
        let path = self.folder.join(path);
        let array = read_samples(&path)?;
        let shape = ann.input_shape();
        let found =
            batch("samples", &array.shape, shape.extents()).with_context(|| path.display().to_string())?;
        let mut values = array.into_f32()?;
        values.truncate(most.unwrap_or(found.samples).min(found.samples) * shape.elements());
        Ok(values)
    }

    fn material(&self, group: &Group, ann: &Ann) -> Result<Material> {
        let [input, labels, calibration] = self.study.files(group.model);
        let input = self.samples(input, ann, self.study.samples)?;
        let samples = input.len() / ann.input_shape().elements();
        let path = self.folder.join(labels);
        let all = snn_formats::npy::read(&path)?.shape.first().copied().unwrap_or(0);
        let labels = read_labels(&path, all, ann.output_shape().elements())?.classes;
        if labels.len() < samples {
            bail!(
                "{}: it has {} labels for {samples} samples; allowed is one for each",
                path.display(),
                labels.len()
            );
        }
        let label = |&label: &i64| usize::try_from(label).context("a label is negative");
        Ok(Material {
            input,
            labels: labels[..samples].iter().map(label).collect::<Result<_>>()?,
            calibration: self.samples(calibration, ann, None)?,
        })
    }
}

impl Sweep {
    pub fn run(mut self) -> Result<ExitCode> {
        let given = self.study.take();
        let told = match (given.clone(), self.grid.0.take()) {
            (Some(path), None) => Told::read(path)?,
            (None, Some(grid)) => Told::of_flags(grid)?,
            (Some(_), Some(_)) => {
                return Err(Usage(
                    "--model and the flags that go with it tell a study; leave them out, or STUDY.TOML"
                        .into(),
                )
                .into());
            }
            (None, None) => {
                return Err(
                    Usage("give STUDY.TOML, or --model with --input, --labels and --calib".into()).into()
                );
            }
        };
        if self.print_study {
            output::print(&told.study.to_toml()?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let files = Files::of(told)?;
        let inputs = files.inputs();
        let mut named = vec![("STUDY.TOML", given.as_deref())];
        named.extend(inputs.iter().map(|path| ("the study", Some(path.as_path()))));
        if self.table.is_some() && !cfg!(feature = "parquet") {
            return Err(Usage(
                "--table: this program was built without Parquet; build it with cargo build --release --features parquet, or \
                 take --csv"
                    .into(),
            )
            .into());
        }
        let outputs = [
            ("--csv", self.csv.as_deref()),
            ("--latex", self.latex.as_deref()),
            ("--table", self.table.as_deref()),
        ];
        let mut others = vec![("--out", Some(self.out()))];
        others.extend(outputs);
        output::check(&named, &others)?;
        let groups = files.study.groups();
        let cells: usize = groups.iter().map(|group| group.cells.len()).sum();
        let (mine, head) = self.part(&files.head, cells);
        let (mut file, mut lines) = self.open(&head)?;
        let cells = mine.len();
        if lines.len() > cells {
            bail!(
                "{}: it has {} cells, and the study {cells}; give another --out",
                self.out().display(),
                lines.len()
            );
        }
        if self.verify && lines.len() < cells {
            bail!(
                "{}: it has {} of {cells} cells; run the study without --verify to its end first",
                self.out().display(),
                lines.len()
            );
        }
        let threads = threads(self.threads.map(usize::from));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let bar = progress::bar(cells, "sweep");
        let mut first = 0;
        for group in &groups {
            let range = first..first + group.cells.len();
            first = range.end;
            let begun = range.start.max(mine.start);
            let end = range.end.min(mine.end).max(begun);
            let done = if self.verify { 0 } else { lines.len() };
            let begin = (mine.start + done).clamp(begun, end);
            bar.inc((begin - begun) as u64);
            if begin == end {
                continue;
            }
            let ann = files.ann(group)?;
            let material = files.material(group, &ann)?;
            let trained = files.study.trained(group, ann, &material)?;
            // How many cells are run at the same time; nobody knows what they take before one has been run.
            let mut together = if self.memory_limit.is_some() { 1 } else { threads };
            // Lines are those of this part, cells those of the study.
            let mut at = begin - mine.start;
            while mine.start + at < end {
                let from = mine.start + at - range.start;
                let cells = &group.cells[from..(from + together).min(end - range.start)];
                let run = |cell| line(&files.study, group, cell, &trained, &material);
                let made: Vec<(String, u64)> =
                    pool.install(|| cells.par_iter().map(run).collect::<Result<_>>())?;
                let most = made.iter().map(|(_, memory)| *memory).max().unwrap_or(0);
                let made: Vec<String> = made.into_iter().map(|(line, _)| line).collect();
                if let Some(limit) = self.memory_limit {
                    if most > limit {
                        bar.finish_and_clear();
                        bail!(
                            "the run of one cell takes about {}; allowed are {}; raise --memory-limit",
                            output::bytes(most),
                            output::bytes(limit)
                        );
                    }
                    let fit = usize::try_from(limit / most.max(1)).unwrap_or(threads);
                    together = fit.clamp(1, threads);
                }
                bar.inc(made.len() as u64);
                if self.verify {
                    if let Some(place) = (0..made.len()).find(|&place| lines[at + place] != made[place]) {
                        bar.finish_and_clear();
                        output::print(&format!(
                            "DIFFERENT: line {} of {}\n  there: {}\n  now:   {}\n",
                            at + place + 2,
                            self.out().display(),
                            lines[at + place],
                            made[place]
                        ))?;
                        return Ok(ExitCode::FAILURE);
                    }
                    at += made.len();
                    continue;
                }
                // Whole lines only, and on the disk: whatever ends the program, the next one goes on behind them.
                let text: String = made.iter().map(|line| format!("{line}\n")).collect();
                file.write_all(text.as_bytes())
                    .and_then(|()| file.sync_data())
                    .with_context(|| self.unwritable())?;
                at += made.len();
                lines.extend(made);
            }
        }
        bar.finish_and_clear();
        if self.verify {
            output::print(&format!(
                "verified: {} of {}\n",
                output::counted(cells, "cell"),
                self.out().display()
            ))?;
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<Row> = lines
            .iter()
            .map(|line| {
                serde_json::from_str(line)
                    .with_context(|| format!("{}: a line is no result", self.out().display()))
            })
            .collect::<Result<_>>()?;
        self.write_tables(&rows)?;
        output::print(&text(&rows))?;
        Ok(ExitCode::SUCCESS)
    }

    /// The cells of this part, all without --shard, and the first line of its results.
    fn part(&self, head: &serde_json::Value, cells: usize) -> (std::ops::Range<usize>, String) {
        let Some(shard) = self.shard else { return (0..cells, head.to_string()) };
        let (mine, mut head) = (shard.range(cells), head.clone());
        head["shard"] = json!({ "number": shard.number, "of": shard.of, "cells": [mine.start, mine.end] });
        (mine, head.to_string())
    }

    fn out(&self) -> &Path {
        self.out.as_deref().expect("it is required where the study is not only printed")
    }

    fn unwritable(&self) -> String {
        format!("{}: cannot be written", self.out().display())
    }

    /// The file of results, at its end, and the lines that it has: none in a new one.
    fn open(&self, head: &str) -> Result<(File, Vec<String>)> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(!self.verify)
            .truncate(false)
            .open(self.out())
            .with_context(|| format!("{}: cannot be opened", self.out().display()))?;
        let bytes = snn_formats::regular::read(self.out())?;
        // A line that was not finished is made again.
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let text = String::from_utf8_lossy(&bytes[..whole]);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        match lines.first() {
            // Nothing, or the beginning of the head: nothing of another's is lost.
            None if self.verify => bail!("{}: it has no results to verify", self.out().display()),
            None if head.as_bytes().starts_with(&bytes) => {
                file.set_len(0)?;
                writeln!(file, "{head}")
                    .and_then(|()| file.sync_data())
                    .with_context(|| self.unwritable())?;
                return Ok((file, vec![]));
            }
            Some(first) if first == head => {}
            _ => bail!(
                "{}: it holds something else, or results of other files, another study.toml or another version; give another \
                 --out, or delete it",
                self.out().display()
            ),
        }
        if !self.verify {
            file.set_len(whole as u64)?;
        }
        file.seek(std::io::SeekFrom::End(0))?;
        lines.remove(0);
        Ok((file, lines))
    }

    fn write_tables(&self, rows: &[Row]) -> Result<()> {
        if let Some(path) = &self.csv {
            let mut file = snn_formats::AtomicFile::create(path)?;
            let at = || format!("{}: cannot be written", path.display());
            let mut writer = csv::Writer::from_writer(&mut file);
            writer.write_record(CSV_HEAD).with_context(at)?;
            for row in csv_rows(rows) {
                writer.write_record(&row).with_context(at)?;
            }
            writer.flush().with_context(at)?;
            drop(writer);
            file.commit()?;
        }
        if let Some(path) = &self.latex {
            let mut file = snn_formats::AtomicFile::create(path)?;
            file.write_all(latex(rows).as_bytes())
                .with_context(|| format!("{}: cannot be written", path.display()))?;
            file.commit()?;
        }
        #[cfg(feature = "parquet")]
        if let Some(path) = &self.table {
            let at = || format!("{}: cannot be written", path.display());
            let mut file = snn_formats::AtomicFile::create(path)?;
            file.write_all(&snn_research::parquet_file(rows).with_context(at)?).with_context(at)?;
            file.commit()?;
        }
        Ok(())
    }
}

fn line(
    study: &Study,
    group: &Group,
    cell: &snn_research::Cell,
    trained: &Trained,
    material: &Material,
) -> Result<(String, u64)> {
    let at = || {
        let sparsity = group.sparsity.map_or(String::new(), |sparsity| format!(", sparsity {sparsity}"));
        let steps = cell.steps.map_or(String::new(), |steps| format!(", T = {steps}"));
        format!("{}{sparsity}, {}{steps}", study.models[group.model].name, study.recipes[cell.recipe].name)
    };
    let (row, memory) = study.run(group, cell, trained, material).with_context(at)?;
    Ok((serde_json::to_string(&row).context("a result cannot be written as JSON")?, memory))
}

fn text(rows: &[Row]) -> String {
    let table_rows = rows.iter().map(|row| {
        let sparsity =
            row.sparsity.map_or(String::new(), |sparsity| format!(" {}", output::percent(sparsity)));
        vec![
            format!("{}{sparsity}", row.model),
            row.recipe.clone(),
            output::count(row.steps.into()),
            output::percent(row.accuracy),
            format!("{:+.2}", (row.accuracy - row.trained_accuracy) * 100.0),
            output::decimal(row.spikes, 0),
            output::decimal(row.additions + row.multiply_adds, 0),
            output::decimal(row.operations_ratio, 2),
            output::decimal(row.nanojoules, 1),
        ]
    });
    let head = ["per sample", "recipe", "T", "accuracy", "Δ points", "spikes", "operations", "ratio", "nJ"];
    table::table(&head, table_rows) + "\n"
}
