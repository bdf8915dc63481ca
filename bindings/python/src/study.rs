//! Studies: grids of nets, sparsities, recipes and run lengths, their results, and pages of these.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pyo3::exceptions::{PyMemoryError, PyValueError};
use pyo3::prelude::*;
use snn_engine::default_threads;
use snn_formats::{Part, check_outputs};
use snn_research::{
    Page, PageError, Results, Row, Shard, Study, StudyFiles, SweepError, SweepOptions, Verification, csv,
    latex, merge,
};

use crate::background::Counter;
use crate::evaluation::no_page;
use crate::network::Limit;
use crate::{background, error};

/// What the file of a study would be called that is told by itself.
const KEPT: &str = "study.toml";

fn no_sweep(error: SweepError) -> PyErr {
    let text = error.to_string();
    match error {
        SweepError::File(error) => error::format(&error),
        SweepError::Memory { .. } => PyMemoryError::new_err(text),
        SweepError::Model(_) => error::RaisedConvertError::new_err(text),
        _ => PyValueError::new_err(text),
    }
}

fn no_json(error: serde_json::Error) -> PyErr {
    PyValueError::new_err(format!("this is no JSON of a study: {error}"))
}

fn files(path: Option<&Path>, study: Option<&str>) -> Result<StudyFiles, SweepError> {
    match (path, study) {
        (Some(path), _) => StudyFiles::read(path),
        (None, study) => {
            let study: Study = serde_json::from_str(study.unwrap_or_default())
                .map_err(|error| snn_research::StudyError::Unfit(format!("it is no study: {error}")))?;
            StudyFiles::of(&study, Path::new(KEPT))
        }
    }
}

fn told(results: &Results) -> PyResult<String> {
    serde_json::to_string(results).map_err(no_json)
}

/// A part, by its text.
fn part(shard: Option<&str>) -> PyResult<Option<Shard>> {
    shard
        .map(|shard| shard.parse().map_err(|what| PyValueError::new_err(format!("shard: {what}"))))
        .transpose()
}

/// How a study is run.
fn options(memory_limit: Option<Limit>, threads: Option<usize>) -> PyResult<SweepOptions> {
    let most = snn_engine::MOST_THREADS;
    if let Some(threads) = threads.filter(|threads| !(1..=most).contains(threads)) {
        return Err(PyValueError::new_err(format!("threads is {threads}; allowed are 1 to {most}")));
    }
    Ok(SweepOptions {
        memory_limit: memory_limit.map(Limit::bytes).transpose()?,
        threads: threads.unwrap_or_else(default_threads),
    })
}

/// Told of finished cells, as long as anybody waits.
fn done(counter: &Counter) -> impl FnMut(usize) -> Result<(), SweepError> + '_ {
    |cells| if counter.add(cells) { Ok(()) } else { Err(SweepError::Interrupted) }
}

/// The study of a file, or of JSON, as TOML, and how many cells it has in all or in one part.
#[pyfunction]
#[pyo3(signature = (path, study, shard))]
pub fn study(
    py: Python<'_>,
    path: Option<PathBuf>,
    study: Option<String>,
    shard: Option<&str>,
) -> PyResult<(String, usize)> {
    let shard = part(shard)?;
    background::wait(py, move || {
        let files = files(path.as_deref(), study.as_deref())?;
        let all = files.cells();
        Ok((files.study().to_toml()?, shard.map_or(all, |shard| shard.range(all).len())))
    })?
    .map_err(no_sweep)
}

/// Runs the cells of a study that the file `out` does not have yet: all results, as JSON.
#[pyfunction]
#[pyo3(signature = (path, study, out, *, shard, memory_limit, threads, progress))]
#[allow(clippy::too_many_arguments, reason = "keyword arguments")]
pub fn sweep(
    py: Python<'_>,
    path: Option<PathBuf>,
    study: Option<String>,
    out: PathBuf,
    shard: Option<&str>,
    memory_limit: Option<Limit>,
    threads: Option<usize>,
    progress: Option<Py<PyAny>>,
) -> PyResult<String> {
    let (shard, options) = (part(shard)?, options(memory_limit, threads)?);
    background::counted(py, progress.as_ref(), move |counter| -> PyResult<String> {
        let files = files(path.as_deref(), study.as_deref()).map_err(no_sweep)?;
        let mut inputs = files.inputs();
        inputs.extend(path);
        let inputs: Vec<Part<'_>> = inputs.iter().map(|path| Part { name: "the study", path }).collect();
        check_outputs(&inputs, &[Part { name: "out", path: &out }]).map_err(error::output)?;
        let results = files.sweep(&out, shard, &options, &mut done(&counter)).map_err(no_sweep)?;
        told(&results)
    })?
}

/// Finished results, to be run again.
#[pyclass(frozen, module = "snn_event._snn_event")]
pub struct Verified(Arc<Verification>);

#[pymethods]
impl Verified {
    /// Reads results, and their study.
    #[new]
    #[pyo3(signature = (results, study))]
    fn new(py: Python<'_>, results: PathBuf, study: Option<PathBuf>) -> PyResult<Self> {
        let read = background::wait(py, move || Verification::of(&results, study.as_deref()))?;
        Ok(Self(Arc::new(read.map_err(no_sweep)?)))
    }

    /// How many cells there are.
    #[getter]
    fn cells(&self) -> usize {
        self.0.cells()
    }

    /// Runs some cells again: the line of the first that differs, what it says and what the cell gives now.
    #[pyo3(signature = (cells, *, memory_limit, threads, progress))]
    fn run(
        &self,
        py: Python<'_>,
        cells: (usize, usize),
        memory_limit: Option<Limit>,
        threads: Option<usize>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Option<(usize, String, String)>> {
        let options = options(memory_limit, threads)?;
        let verification = Arc::clone(&self.0);
        let found = background::counted(py, progress.as_ref(), move |counter| {
            verification.run(cells.0..cells.1, &options, &mut done(&counter))
        })?;
        Ok(found.map_err(no_sweep)?.map(|different| (different.line, different.there, different.now)))
    }
}

/// The results in a file, finished or not, as JSON.
#[pyfunction]
pub fn read_results(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    told(&background::wait(py, move || Results::read(&path))?.map_err(|e| error::format(&e))?)
}

/// Joins the results of all parts of a study: the number of cells.
#[pyfunction]
pub fn merge_results(py: Python<'_>, parts: Vec<PathBuf>, out: PathBuf) -> PyResult<usize> {
    background::wait(py, move || -> PyResult<usize> {
        let inputs: Vec<Part<'_>> = parts.iter().map(|path| Part { name: "parts", path }).collect();
        check_outputs(&inputs, &[Part { name: "out", path: &out }]).map_err(error::output)?;
        merge(&parts, &out).map_err(no_sweep)
    })?
}

/// Rows, as JSON, as a table: of comma separated values, or LaTeX.
#[pyfunction]
pub fn results_table(rows: &str, is_latex: bool) -> PyResult<String> {
    let rows: Vec<Row> = serde_json::from_str(rows).map_err(no_json)?;
    if is_latex {
        return Ok(latex(&rows));
    }
    let table = csv(&rows).map_err(|e| PyValueError::new_err(e.to_string()))?;
    Ok(String::from_utf8_lossy(&table).into_owned())
}

/// Writes a page of results, and the files of its figures into a folder: the number of figures.
#[pyfunction]
#[pyo3(signature = (results, out, figures))]
pub fn results_page(
    py: Python<'_>,
    results: String,
    out: PathBuf,
    figures: Option<PathBuf>,
) -> PyResult<usize> {
    let results: Results = serde_json::from_str(&results).map_err(no_json)?;
    background::wait(py, move || -> Result<usize, PageError> {
        let page = Page::of_study(&results)?;
        page.write(&out, figures.as_deref())?;
        Ok(page.figures().count())
    })?
    .map_err(no_page)
}
