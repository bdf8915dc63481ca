mod grid;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use snn_formats::AtomicFile;
use snn_research::{Row, Shard, Study, StudyFiles, SweepError, SweepOptions, csv, latex};

use crate::commands::Usage;
use crate::optional::Optional;
use crate::samples::threads;
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
  snn-event verify results.jsonl                                 # runs the cells again and compares
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
    #[arg(long, conflicts_with_all = ["out", "csv", "latex", "table", "shard", "memory_limit", "threads"])]
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

    /// Bytes of memory that the runs of the cells may take together, as 512M or 4G: fewer cells are run at the same time [default: no limit]
    #[arg(long, value_name = "BYTES", value_parser = snn_formats::net::parse_bytes)]
    memory_limit: Option<u64>,

    /// Threads, one cell each [default: one for each processor]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=crate::samples::MOST), allow_negative_numbers = true)]
    threads: Option<u16>,
}

/// What the file of a study is called that is told by flags, should it be kept.
const KEPT: &str = "study.toml";

impl Sweep {
    pub fn run(mut self) -> Result<ExitCode> {
        let given = self.study.take();
        let told = match (given.clone(), self.grid.0.take()) {
            (Some(path), None) => Told::File(path),
            (None, Some(grid)) => Told::Study(Box::new(grid.study()?)),
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
            output::print(&told.text()?)?;
            return Ok(ExitCode::SUCCESS);
        }
        if self.table.is_some() && !cfg!(feature = "parquet") {
            return Err(Usage(
                "--table: this program was built without Parquet; build it with cargo build --release --features parquet, or \
                 take --csv"
                    .into(),
            )
            .into());
        }
        let files = told.files()?;
        let inputs = files.inputs();
        let mut named = vec![("STUDY.TOML", given.as_deref())];
        named.extend(inputs.iter().map(|path| ("the study", Some(path.as_path()))));
        let outputs = [
            ("--out", self.out.as_deref()),
            ("--csv", self.csv.as_deref()),
            ("--latex", self.latex.as_deref()),
            ("--table", self.table.as_deref()),
        ];
        output::check(&named, &outputs)?;
        let out = self.out.as_deref().context("--out is required where the study is not only printed")?;
        let options =
            SweepOptions { memory_limit: self.memory_limit, threads: threads(self.threads.map(usize::from)) };
        let cells = self.shard.map_or(files.cells(), |shard| shard.range(files.cells()).len());
        let bar = progress::bar(cells, "sweep");
        let mut done = |cells: usize| {
            bar.inc(cells as u64);
            Ok(())
        };
        let results = files.sweep(out, self.shard, &options, &mut done);
        bar.finish_and_clear();
        let rows = results.map_err(with_flags)?.rows;
        self.write_tables(&rows)?;
        output::print(&text(&rows))?;
        Ok(ExitCode::SUCCESS)
    }

    fn write_tables(&self, rows: &[Row]) -> Result<()> {
        let write = |path: &Path, bytes: &[u8]| -> Result<()> {
            let mut file = AtomicFile::create(path)?;
            file.append(bytes)?;
            Ok(file.commit()?)
        };
        let at = |path: &Path| format!("{}: cannot be written", path.display());
        if let Some(path) = &self.csv {
            write(path, &csv(rows).with_context(|| at(path))?)?;
        }
        if let Some(path) = &self.latex {
            write(path, latex(rows).as_bytes())?;
        }
        #[cfg(feature = "parquet")]
        if let Some(path) = &self.table {
            write(path, &snn_research::parquet_file(rows).with_context(|| at(path))?)?;
        }
        Ok(())
    }
}

/// A study as it was told.
enum Told {
    File(PathBuf),
    Study(Box<Study>),
}

impl Told {
    /// Its text, of a file as it is in effect.
    fn text(self) -> Result<String> {
        let study = match self {
            Self::File(path) => {
                let at = || path.display().to_string();
                let bytes = snn_formats::regular::read(&path).with_context(at)?;
                let text = String::from_utf8(bytes)
                    .map_err(|_| anyhow::anyhow!("it is no text in UTF-8"))
                    .with_context(at)?;
                Study::parse(&text).with_context(at)?
            }
            Self::Study(study) => Study::parse(&toml(&study)?).map_err(|error| Usage(error.to_string()))?,
        };
        Ok(study.to_toml()?)
    }

    fn files(self) -> Result<StudyFiles> {
        match self {
            Self::File(path) => StudyFiles::read(&path).map_err(with_flags),
            // What a file of this text would be.
            Self::Study(study) => StudyFiles::of(&study, Path::new(KEPT)).map_err(|error| match error {
                SweepError::Study(error) => Usage(error.to_string()).into(),
                other => with_flags(other),
            }),
        }
    }
}

fn toml(study: &Study) -> Result<String> {
    Ok(study.to_toml().map_err(|error| Usage(error.to_string()))?)
}

/// An error of the library with the flags that mend it, which the library does not know.
pub fn with_flags(error: SweepError) -> anyhow::Error {
    match error {
        SweepError::Memory { needed, allowed } => anyhow::anyhow!(
            "the run of one cell takes about {}; allowed are {}; raise --memory-limit",
            output::bytes(needed),
            output::bytes(allowed)
        ),
        other => other.into(),
    }
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
