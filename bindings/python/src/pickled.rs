//! What a run gave, taken apart for pickling and put together again.

use numpy::{IntoPyArray, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use snn_engine::{DenseOperations, Outcome, PopulationStatistics, Raster, SpikeSlice, Statistics};

use crate::error;
use crate::run::Outcomes;

/// Starts of the steps, neurons and values of a raster.
type Parts<'py> = (PyReadonlyArray1<'py, u64>, PyReadonlyArray1<'py, u32>, PyReadonlyArray1<'py, i32>);

fn raster_parts<'py>(py: Python<'py>, raster: &Raster) -> PyResult<Bound<'py, PyTuple>> {
    let starts: Vec<u64> = raster.starts().iter().map(|&start| start as u64).collect();
    let (neurons, values) = (raster.neurons().to_vec(), raster.values().to_vec());
    PyTuple::new(
        py,
        [
            starts.into_pyarray(py).into_any(),
            neurons.into_pyarray(py).into_any(),
            values.into_pyarray(py).into_any(),
        ],
    )
}

fn part<'py>(of: &Bound<'py, PyDict>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    of.get_item(name)?.ok_or_else(damaged)
}

fn damaged() -> PyErr {
    error::RaisedFormatError::new_err(
        "the parts of a run do not fit together; it was pickled by another version, or changed",
    )
}

fn raster((starts, neurons, values): Parts<'_>) -> PyResult<Raster> {
    let (starts, neurons, values) =
        (starts.as_array().to_vec(), neurons.as_array().to_vec(), values.as_array().to_vec());
    let mut raster = Raster::new();
    for ends in starts.windows(2) {
        let place = |end: u64| usize::try_from(end).map_err(|_| damaged());
        let range = place(ends[0])?..place(ends[1])?;
        let fired = neurons.get(range.clone()).ok_or_else(damaged)?;
        let step = if values.is_empty() {
            SpikeSlice::unit(fired)
        } else {
            SpikeSlice::new(fired, values.get(range).ok_or_else(damaged)?).map_err(error::network)?
        };
        raster.push(step);
    }
    Ok(raster)
}

impl Outcomes {
    /// All that is in it.
    pub fn parts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let parts = PyDict::new(py);
        let samples = PyList::empty(py);
        for outcome in &self.outcomes {
            let of = &outcome.statistics;
            let numbers =
                of.populations.iter().flat_map(|p| [p.spikes, p.magnitude, p.synaptic_operations, p.updates]);
            let sample = PyDict::new(py);
            sample.set_item("counts", outcome.counts.clone().into_pyarray(py))?;
            sample.set_item("potentials", outcome.potentials.clone().into_pyarray(py))?;
            sample.set_item("class", outcome.class)?;
            sample.set_item("quiet_after", outcome.quiet_after)?;
            sample.set_item("steps", of.steps)?;
            sample.set_item("statistics", numbers.collect::<Vec<u64>>().into_pyarray(py))?;
            sample.set_item("drive_operations", outcome.drive_operations.clone().into_pyarray(py))?;
            let spikes = outcome.spikes.as_ref().map(|rasters| {
                let parts =
                    rasters.iter().map(|raster| raster_parts(py, raster)).collect::<PyResult<Vec<_>>>()?;
                PyList::new(py, parts)
            });
            sample.set_item("spikes", spikes.transpose()?)?;
            samples.append(sample)?;
        }
        parts.set_item("samples", samples)?;
        parts.set_item("names", self.names.clone())?;
        let sizes: Vec<(usize, u64, u64)> =
            self.sizes.iter().map(|(neurons, dense)| (*neurons, dense.per_step, dense.once)).collect();
        parts.set_item("sizes", sizes)?;
        let outputs = self
            .outputs
            .as_ref()
            .map(|all| PyList::new(py, all.iter().map(|outputs| outputs.clone().into_pyarray(py))));
        parts.set_item("outputs", outputs.transpose()?)?;
        parts.set_item("notes", self.notes.clone())?;
        parts.set_item("widths", (self.width, self.potentials))?;
        parts.set_item("flags", (self.signed, self.single, self.constant, self.once))?;
        parts.set_item("run", (self.steps, self.threads))?;
        Ok(parts)
    }

    /// What [`parts`](Self::parts) took apart.
    pub fn of_parts(parts: &Bound<'_, PyDict>) -> PyResult<Self> {
        let names: Vec<String> = part(parts, "names")?.extract()?;
        let sizes: Vec<(usize, u64, u64)> = part(parts, "sizes")?.extract()?;
        let (width, potentials): (usize, usize) = part(parts, "widths")?.extract()?;
        let (signed, single, constant, once) = part(parts, "flags")?.extract()?;
        let (steps, threads) = part(parts, "run")?.extract()?;
        if sizes.len() != names.len() {
            return Err(damaged());
        }
        let mut outcomes = vec![];
        for sample in part(parts, "samples")?.try_iter()? {
            let sample = sample?.cast_into::<PyDict>().map_err(|_| damaged())?;
            let numbers: PyReadonlyArray1<'_, u64> = part(&sample, "statistics")?.extract()?;
            let numbers = numbers.as_array().to_vec();
            let of = |n: &[u64; 4]| PopulationStatistics {
                spikes: n[0],
                magnitude: n[1],
                synaptic_operations: n[2],
                updates: n[3],
            };
            let populations: Vec<PopulationStatistics> = numbers.as_chunks::<4>().0.iter().map(of).collect();
            let rasters: Option<Vec<Parts<'_>>> = part(&sample, "spikes")?.extract()?;
            let rasters = rasters.map(|all| all.into_iter().map(raster).collect::<PyResult<Vec<Raster>>>());
            let counts: PyReadonlyArray1<'_, i64> = part(&sample, "counts")?.extract()?;
            let ended: PyReadonlyArray1<'_, f32> = part(&sample, "potentials")?.extract()?;
            let driven: PyReadonlyArray1<'_, u64> = part(&sample, "drive_operations")?.extract()?;
            let outcome = Outcome {
                counts: counts.as_array().to_vec(),
                potentials: ended.as_array().to_vec(),
                class: part(&sample, "class")?.extract()?,
                quiet_after: part(&sample, "quiet_after")?.extract()?,
                statistics: Statistics { steps: part(&sample, "steps")?.extract()?, populations },
                drive_operations: driven.as_array().to_vec(),
                spikes: rasters.transpose()?,
            };
            let fits = outcome.counts.len() == width
                && outcome.potentials.len() == potentials
                && outcome.statistics.populations.len() == names.len()
                && outcome.drive_operations.len() == names.len()
                && outcome.spikes.as_ref().is_none_or(|rasters| rasters.len() == names.len());
            if !fits {
                return Err(damaged());
            }
            outcomes.push(outcome);
        }
        let outputs: Option<Vec<PyReadonlyArray1<'_, f32>>> = part(parts, "outputs")?.extract()?;
        let outputs: Option<Vec<Vec<f32>>> =
            outputs.map(|all| all.iter().map(|outputs| outputs.as_array().to_vec()).collect());
        if outputs.as_ref().is_some_and(|all| {
            all.len() != outcomes.len() || all.iter().any(|outputs| outputs.len() != width)
        }) {
            return Err(damaged());
        }
        let dense = |(neurons, per_step, once)| (neurons, DenseOperations { per_step, once });
        Ok(Self {
            outcomes,
            names,
            sizes: sizes.into_iter().map(dense).collect(),
            outputs,
            notes: part(parts, "notes")?.extract()?,
            width,
            signed,
            potentials,
            single,
            constant,
            once,
            steps,
            threads,
        })
    }
}
