//! Networks from and to `net.bin`, and what is in them.

use std::path::PathBuf;
use std::sync::Arc;

use numpy::{IntoPyArray, PyArray1, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use snn_engine::{Connectivity, Memory, PerNeuron, PopulationId};
use snn_formats::net::{LEAST_MEMORY_LIMIT, default_memory_limit, kept_report, parse_bytes};
use snn_formats::{
    Basis, Description, FileDigest, NetFile, Origin, Part, RunLength, Source, Unit, check_outputs, net_bytes,
    net_digest,
};

use crate::error;
use crate::run::{self, Asked, Outcomes};

/// A spiking network, immutable; what `net.bin` holds.
#[pyclass(frozen, module = "snn_event")]
pub struct Network {
    pub inner: Arc<snn_engine::Network>,
    pub description: Description,
    /// The files that it was made of, which it must not be written over.
    inputs: Vec<PathBuf>,
    /// The file that it was read from, if it is as it was there.
    file: Option<FileDigest>,
    /// The bytes that a run may take, if that was said.
    limit: Option<u64>,
}

/// A memory limit as the user gives it: bytes, or a text such as `4G`.
#[derive(FromPyObject)]
pub enum Limit {
    Bytes(u64),
    Text(String),
}

impl Limit {
    pub fn bytes(self) -> PyResult<u64> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Text(text) => parse_bytes(&text)
                .map_err(|what| pyo3::exceptions::PyValueError::new_err(format!("memory_limit: {what}"))),
        }
    }
}

impl Network {
    pub fn new(network: snn_engine::Network, description: Description, inputs: Vec<PathBuf>) -> Self {
        Self { inner: Arc::new(network), description, inputs, file: None, limit: None }
    }

    fn of_file(file: NetFile, path: Option<PathBuf>, memory_limit: Option<u64>) -> Self {
        let digest = path.as_ref().map(|path| FileDigest::new(path, file.digest));
        let network = Self::new(file.network, file.description, path.into_iter().collect());
        Self { file: digest, limit: memory_limit, ..network }
    }

    /// The same network with something else said about it.
    fn described(&self, description: Description) -> Self {
        let (inner, inputs) = (Arc::clone(&self.inner), self.inputs.clone());
        Self { inner, description, inputs, file: None, limit: self.limit }
    }

    /// The bytes that a run may take: what was said for it, for the network, or, as on the command line, by its file's length.
    pub fn memory_limit_of(&self, asked: Option<u64>) -> PyResult<u64> {
        if let Some(limit) = asked.or(self.limit) {
            return Ok(limit);
        }
        let length = match &self.file {
            Some(file) => file.digest.bytes,
            None => net_digest(&self.inner, &self.description).map_err(|e| error::format(&e))?.bytes,
        };
        Ok(default_memory_limit(length))
    }

    /// How many simulators of `memory` bytes, of `wanted`, fit into the limit; told before they are made. And the limit.
    pub fn simulators(&self, memory: Memory, wanted: usize, asked: Option<u64>) -> PyResult<usize> {
        // What any network may take needs no look at this one.
        if asked.or(self.limit).is_none() && memory.of_simulators(wanted) <= LEAST_MEMORY_LIMIT {
            return Ok(wanted);
        }
        let limit = self.memory_limit_of(asked)?;
        memory.simulators_within(limit, wanted).map_err(|needed| {
            error::RaisedInputError::new_err(format!(
                "this needs about {needed} bytes of memory; allowed are {limit}; raise memory_limit, or run fewer samples or \
                 steps"
            ))
        })
    }

    /// The population of a name; the last one if none is given.
    pub fn find(&self, name: Option<&str>) -> PyResult<PopulationId> {
        let Some(name) = name else { return Ok(self.inner.output()) };
        self.inner.find(name).ok_or_else(|| {
            let names: Vec<_> = self.inner.populations().iter().map(|p| format!("`{}`", p.name())).collect();
            error::RaisedNetworkError::new_err(format!(
                "there is no population `{name}`; there are {}",
                names.join(", ")
            ))
        })
    }

    fn write(&self, path: &PathBuf) -> PyResult<()> {
        snn_formats::write_net(path, &self.inner, &self.description).map_err(|e| error::format(&e))?;
        Ok(())
    }
}

#[pymethods]
impl Network {
    /// Reads a `net.bin`: into memory if it has less than 64 MiB, else mapped; `mmap` decides otherwise.
    #[staticmethod]
    #[pyo3(signature = (path, *, mmap = None, memory_limit = None))]
    fn load(
        py: Python<'_>,
        path: PathBuf,
        mmap: Option<bool>,
        memory_limit: Option<Limit>,
    ) -> PyResult<Self> {
        let limit = memory_limit.map(Limit::bytes).transpose()?;
        let source = match mmap {
            None => Source::BySize,
            Some(true) => Source::Mapped,
            Some(false) => Source::Read,
        };
        let file = py.detach(|| NetFile::open_within(&path, source, limit)).map_err(|e| error::format(&e))?;
        Ok(Self::of_file(file, Some(path), limit))
    }

    /// Reads the bytes of a `net.bin`.
    #[staticmethod]
    #[pyo3(signature = (data, *, memory_limit = None))]
    fn from_bytes(py: Python<'_>, data: &[u8], memory_limit: Option<Limit>) -> PyResult<Self> {
        let limit = memory_limit.map(Limit::bytes).transpose()?;
        let parsed = py.detach(|| NetFile::parse_within(data, &Origin::file("<memory>"), limit));
        let file = parsed.map_err(|e| error::RaisedFormatError::new_err(e.to_string()))?;
        Ok(Self::of_file(file, None, limit))
    }

    /// Writes a `net.bin`, complete or not at all, and never over a file that the network was made of.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| {
            let inputs: Vec<Part<'_>> =
                self.inputs.iter().map(|path| Part { name: "the network", path }).collect();
            check_outputs(&inputs, &[Part { name: "path", path: &path }]).map_err(error::output)?;
            self.write(&path)
        })
    }

    /// The bytes of its `net.bin`.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = py.detach(|| net_bytes(&self.inner, &self.description));
        Ok(PyBytes::new(py, &bytes.map_err(|e| error::format(&e))?))
    }

    /// Of the file that it was read from, or of the bytes of its `net.bin`: the file's name, if there is one, the number of
    /// bytes, and their CRC-32 in hexadecimal digits.
    fn digest(&self, py: Python<'_>) -> PyResult<(Option<String>, u64, String)> {
        if let Some(file) = &self.file {
            let (name, bytes, crc32) = told(file);
            return Ok((Some(name), bytes, crc32));
        }
        let digest = py.detach(|| net_digest(&self.inner, &self.description));
        let digest = digest.map_err(|e| error::format(&e))?;
        Ok((None, digest.bytes, format!("{:08x}", digest.crc32)))
    }

    /// The bytes that a run may take: what is asked for, or was when it was read; else 384 MiB, or 256 times its file.
    #[pyo3(signature = (asked = None))]
    fn memory_limit(&self, py: Python<'_>, asked: Option<Limit>) -> PyResult<u64> {
        let asked = asked.map(Limit::bytes).transpose()?;
        py.detach(|| self.memory_limit_of(asked))
    }

    fn __repr__(&self) -> String {
        let (populations, projections) = (self.inner.populations(), self.inner.projections());
        let count =
            |number: u64, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        let neurons = populations.iter().map(|population| population.size() as u64).sum();
        let synapses = projections.iter().map(|projection| projection.connectivity().synapses());
        format!(
            "Network({}, {}, {})",
            count(populations.len() as u64, "population"),
            count(neurons, "neuron"),
            synapses.fold(0, u64::saturating_add).to_string() + " synapses"
        )
    }

    /// Tables of populations and projections, for notebooks.
    fn _repr_html_(&self) -> String {
        let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let name = |id: PopulationId| escaped(self.inner.population(id).name());
        let mut html =
            "<table><tr><th>population</th><th>neurons</th><th>shape</th><th>kind</th></tr>".to_owned();
        for id in self.inner.ids() {
            let population = self.inner.population(id);
            let shape: Vec<String> = population.layout().shape().iter().map(usize::to_string).collect();
            html += &format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                name(id),
                population.size(),
                shape.join(" × "),
                escaped(population.neuron().kind())
            );
        }
        html += "</table><table><tr><th>projection</th><th>synapses</th><th>delay</th><th>kind</th></tr>";
        for (index, projection) in self.inner.projections().iter().enumerate() {
            let kind = Projection { network: Arc::clone(&self.inner), index }.kind();
            html += &format!(
                "<tr><td>{} → {}</td><td>{}</td><td>{}</td><td>{kind}</td></tr>",
                name(projection.source()),
                name(projection.target()),
                projection.connectivity().synapses(),
                projection.delay(),
            );
        }
        html + "</table>"
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((py.get_type::<Self>().getattr("from_bytes")?, (self.to_bytes(py)?,)))
    }

    /// Runs samples: values `x` in an encoding, or the spikes of `raster` or `packed`.
    #[pyo3(signature = (x = None, T = None, *, raster = None, packed = None, encoding = None, seed = 0, threads = None, mode = "auto", spikes = false, progress = None, until_quiet = None, memory_limit = None))]
    #[allow(
        non_snake_case,
        reason = "T is what everybody calls the number of steps, here and on the command line"
    )]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments")]
    fn run<'py>(
        &self,
        py: Python<'py>,
        x: Option<PyReadonlyArrayDyn<'py, f32>>,
        T: Option<u32>,
        raster: Option<Bound<'py, PyAny>>,
        packed: Option<PyReadonlyArrayDyn<'py, u8>>,
        encoding: Option<&str>,
        seed: u64,
        threads: Option<usize>,
        mode: &str,
        spikes: bool,
        progress: Option<Py<PyAny>>,
        until_quiet: Option<bool>,
        memory_limit: Option<Limit>,
    ) -> PyResult<Outcomes> {
        let asked = Asked {
            x,
            raster,
            packed,
            steps: T,
            encoding,
            seed,
            threads,
            mode,
            keep_spikes: spikes,
            progress,
            until_quiet,
        };
        let limit = memory_limit.map(Limit::bytes).transpose()?;
        let fitting = |memory, threads| self.simulators(memory, threads, limit);
        run::run(py, &self.inner, &self.description, &asked, &fitting)
    }

    /// The populations in order of declaration; the last one is the one to read.
    #[getter]
    fn populations(slf: &Bound<'_, Self>) -> Vec<Population> {
        let Self { inner, description, .. } = slf.get();
        let unit = |id: PopulationId| description.unit(id.index()).cloned();
        inner.ids().map(|id| Population { network: Arc::clone(inner), id, unit: unit(id) }).collect()
    }

    /// The projections in order of declaration.
    #[getter]
    fn projections(&self) -> Vec<Projection> {
        let all = 0..self.inner.projections().len();
        all.map(|index| Projection { network: Arc::clone(&self.inner), index }).collect()
    }

    /// The steps of the runs that it is made for, and whether it is `fitted` to them, its scales are chosen for them
    /// (`scaled`), it is at rest after them (`settled`) or they were only `stated`; none if it is not made for runs of a certain length.
    #[getter]
    fn run_length(&self) -> Option<(u32, &'static str)> {
        let run = self.description.run?;
        let basis = match run.basis {
            Basis::Fitted => "fitted",
            Basis::Scaled => "scaled",
            Basis::Stated => "stated",
            Basis::Settled => "settled",
        };
        Some((run.steps, basis))
    }

    /// Whether it is made for runs until it is quiet; the steps of [`run_length`](Self::run_length) are the most then.
    #[getter]
    fn until_quiet(&self) -> bool {
        self.description.run.is_some_and(|run| run.until_quiet)
    }

    /// How constant input is given in the runs that it is made for: "constant" or "once".
    #[getter]
    fn encoding(&self) -> &'static str {
        run::usual_encoding(&self.description)
    }

    /// The same network, saying that it is meant for runs of `T` steps.
    #[allow(non_snake_case, reason = "T is what everybody calls the number of steps")]
    fn with_run_length(&self, T: u32) -> PyResult<Self> {
        if T == 0 {
            return Err(error::argument("T", "0", "numbers of steps from 1 on"));
        }
        let run = Some(RunLength::new(T, Basis::Stated));
        Ok(self.described(Description { run, ..self.description.clone() }))
    }

    /// What the file says about its origin, as JSON.
    #[getter]
    fn provenance(&self) -> String {
        serde_json::Value::Object(self.description.provenance.clone()).to_string()
    }

    /// The same network, saying something else about its origin: a JSON object.
    fn with_provenance(&self, provenance: &str) -> PyResult<Self> {
        let provenance = serde_json::from_str(provenance).map_err(|e| {
            pyo3::exceptions::PyValueError::new_err(format!("provenance is no JSON object: {e}"))
        })?;
        Ok(self.described(Description { provenance, ..self.description.clone() }))
    }

    /// What the conversion did, layer by layer, as JSON; none if it is not known.
    #[getter]
    fn report(&self) -> Option<&str> {
        self.description.report.as_deref()
    }

    /// The same network, saying something else about its conversion: a JSON object, or nothing. Of one that is longer than a
    /// file keeps, the layers are left out.
    #[pyo3(signature = (report))]
    fn with_report(&self, report: Option<String>) -> PyResult<Self> {
        let report = report
            .map(kept_report)
            .transpose()
            .map_err(|e| pyo3::exceptions::PyValueError::new_err(format!("report is no JSON object: {e}")))?;
        Ok(self.described(Description { report, ..self.description.clone() }))
    }
}

/// A file's name, bytes, and CRC-32 in hexadecimal digits.
pub type Told = (String, u64, String);

/// What is told of a file.
pub fn told(file: &FileDigest) -> Told {
    (file.file.clone(), file.digest.bytes, format!("{:08x}", file.digest.crc32))
}

/// Neurons of one kind.
#[pyclass(frozen, module = "snn_event")]
pub struct Population {
    network: Arc<snn_engine::Network>,
    id: PopulationId,
    /// What its rates stand for, if that is known.
    unit: Option<Unit>,
}

impl Population {
    fn inner(&self) -> &snn_engine::Population {
        self.network.population(self.id)
    }

    /// A parameter of every neuron, in the user's order.
    fn per_neuron<'py>(
        &self,
        py: Python<'py>,
        values: Option<&PerNeuron>,
    ) -> Option<Bound<'py, PyArray1<f32>>> {
        let population = self.inner();
        let layout = population.layout();
        let values = values?;
        let all = (0..population.size()).map(|index| values.get(layout.neuron_at(index)));
        Some(all.collect::<Vec<f32>>().into_pyarray(py))
    }
}

#[pymethods]
impl Population {
    /// Its name, unique in the network.
    #[getter]
    fn name(&self) -> &str {
        self.inner().name()
    }

    /// `source`, `max-pool`, or the name of a model: `integrate-and-fire`, `accumulator`, `bipolar` …
    #[getter]
    fn kind(&self) -> &'static str {
        self.inner().neuron().kind()
    }

    /// `(n,)` or `(channels, height, width)`.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, pyo3::types::PyTuple>> {
        pyo3::types::PyTuple::new(py, self.inner().layout().shape())
    }

    /// The number of neurons.
    #[getter]
    fn size(&self) -> usize {
        self.inner().size()
    }

    /// The value of a parameter of the model for every neuron; none if the model has no such parameter.
    fn parameter<'py>(&self, py: Python<'py>, name: &str) -> Option<Bound<'py, PyArray1<f32>>> {
        self.per_neuron(py, self.inner().neuron().model()?.parameter(name))
    }

    /// The names of the parameters of the model.
    #[getter]
    fn parameters(&self) -> Vec<&'static str> {
        let model = self.inner().neuron().model();
        let described = model.map_or(&[][..], |model| model.description().parameters);
        described.iter().map(|parameter| parameter.name).collect()
    }

    /// The choices of the model, each with the option taken.
    #[getter]
    fn choices(&self) -> std::collections::BTreeMap<&'static str, &'static str> {
        let Some(model) = self.inner().neuron().model() else { return Default::default() };
        let described = model.description().choices.iter();
        described.zip(model.choices()).map(|(choice, option)| (choice.name, choice.options[option])).collect()
    }

    /// The threshold of every neuron; none for populations that do not fire by threshold.
    #[getter]
    fn threshold<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<f32>>> {
        self.parameter(py, "threshold")
    }

    /// The current that every neuron gets in every step; none for populations without potential.
    #[getter]
    fn bias<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<f32>>> {
        self.parameter(py, "bias")
    }

    /// The potential of every neuron before the first step; none for populations that do not fire by threshold.
    #[getter]
    fn start<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<f32>>> {
        self.parameter(py, "start")
    }

    /// What a spike of every neuron in every step stands for, in the unit of the trained net; none if it is not known.
    #[getter]
    fn scale<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<f32>>> {
        self.per_neuron(py, self.unit.as_ref().map(|unit| &unit.scale))
    }

    /// What no spikes of every neuron stand for, in the unit of the trained net; none if it is not known.
    #[getter]
    fn offset<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<f32>>> {
        self.per_neuron(py, self.unit.as_ref().map(|unit| &unit.offset))
    }

    /// `subtract` or `zero`; none for populations that have no such choice.
    #[getter]
    fn reset(&self) -> Option<&'static str> {
        self.choices().remove("reset")
    }

    fn __repr__(&self) -> String {
        let population = self.inner();
        format!("Population({:?}, {}, {:?})", population.name(), self.kind(), population.layout().shape())
    }
}

/// The synapses from one population to another.
#[pyclass(frozen, module = "snn_event")]
pub struct Projection {
    network: Arc<snn_engine::Network>,
    index: usize,
}

impl Projection {
    fn inner(&self) -> &snn_engine::Projection {
        &self.network.projections()[self.index]
    }
}

/// Non-zero weights, targets and starts of the rows of a matrix in CSR form.
type Csr<'py> = (Bound<'py, PyArray1<f32>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>);

#[pymethods]
impl Projection {
    /// The name of the population whose spikes it carries.
    #[getter]
    fn source(&self) -> &str {
        self.network.population(self.inner().source()).name()
    }

    /// The name of the population that receives them.
    #[getter]
    fn target(&self) -> &str {
        self.network.population(self.inner().target()).name()
    }

    /// Steps from emission to arrival.
    #[getter]
    fn delay(&self) -> u32 {
        self.inner().delay()
    }

    /// `rows`, `conv2d` or `one-to-one`.
    #[getter]
    fn kind(&self) -> &'static str {
        match self.inner().connectivity() {
            Connectivity::Rows(_) => "rows",
            Connectivity::Conv2d(_) => "conv2d",
            Connectivity::OneToOne(_) => "one-to-one",
        }
    }

    /// The number of synapses, shared weights counted wherever they are used.
    #[getter]
    fn synapses(&self) -> u64 {
        self.inner().connectivity().synapses()
    }

    /// Neurons of the target and of the source.
    #[getter]
    fn shape(&self) -> (usize, usize) {
        let connectivity = self.inner().connectivity();
        (connectivity.targets(), connectivity.sources())
    }

    /// The matrix `[n_post, n_pre]` in CSR form, neurons in the user's order: `(data, indices, indptr)`.
    fn csr<'py>(&self, py: Python<'py>) -> Csr<'py> {
        let (weights, columns, starts) = py.detach(|| self.rows_by_target());
        (weights.into_pyarray(py), columns.into_pyarray(py), starts.into_pyarray(py))
    }
}

impl Projection {
    /// Weights by target in the user's order. Two passes over the synapses: count, then place.
    fn rows_by_target(&self) -> (Vec<f32>, Vec<i64>, Vec<i64>) {
        let projection = self.inner();
        let connectivity = projection.connectivity();
        let source = self.network.population(projection.source()).layout();
        let target = self.network.population(projection.target()).layout();
        let mut next = vec![0usize; connectivity.targets() + 1];
        for neuron in 0..connectivity.sources() {
            connectivity.fan_out(neuron, |post, _| next[target.user_index(post) + 1] += 1);
        }
        for post in 1..next.len() {
            next[post] += next[post - 1];
        }
        let starts: Vec<i64> = next.iter().map(|&start| start as i64).collect();
        let synapses = *next.last().expect("there is one start more than there are neurons");
        let (mut weights, mut columns) = (vec![0.0; synapses], vec![0; synapses]);
        // Columns ascend in every row, because the sources are visited in the user's order.
        for pre in 0..connectivity.sources() {
            connectivity.fan_out(source.neuron_at(pre), |post, weight| {
                let place = &mut next[target.user_index(post)];
                (weights[*place], columns[*place]) = (weight, pre as i64);
                *place += 1;
            });
        }
        (weights, columns, starts)
    }
}
