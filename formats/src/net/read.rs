//! From the entries and sections of a file to parts of a network.

use std::collections::BTreeMap;
use std::sync::Arc;

use snn_engine::{
    Accumulator, Buffer, BuiltIn, Connectivity, Conv2d, Conv2dGeometry, DenseRows, IntegrateFire, MaxPool,
    Network, NetworkError, Neuron, Nibbles, OneToOne, PerNeuron, Population, Reset, Rows, SparseRows,
    Targets, Weights,
};

use super::entry::{
    ConnectivityEntry, GeometryEntry, NetEntry, NeuronEntry, ResetEntry, RowsEntry, UnitEntry,
};
use super::write::is_object;
use super::{
    Description, InputRange, LONGEST_PROVENANCE, LONGEST_REPORT, MODEL_VERSION, RunLength, Unit,
    WHOLE_VERSION,
};
use crate::container::{Container, Dtype, SectionElement};
use crate::error::FormatError;

/// Turns entries of the head into parts of a network.
pub(super) struct Reader<'a> {
    pub(super) container: &'a Container,
}

impl Reader<'_> {
    pub(super) fn error(&self, what: impl Into<String>) -> FormatError {
        self.container.origin().error(what)
    }

    fn wrap<T>(&self, at: &str, result: Result<T, NetworkError>) -> Result<T, FormatError> {
        result.map_err(|error| self.error(error.within(at).to_string()))
    }

    pub(super) fn description(&self, net: &NetEntry, network: &Network) -> Result<Description, FormatError> {
        let entry = &net.description;
        let text = entry.provenance.get();
        if text.len() > LONGEST_PROVENANCE {
            return Err(self.error(format!(
                "a provenance of {} bytes was found; at most {LONGEST_PROVENANCE} are allowed",
                text.len()
            )));
        }
        let provenance: serde_json::Map<_, _> = serde_json::from_str(text)
            .map_err(|reason| self.error(format!("its provenance is no JSON object: {reason}")))?;
        let report = match &entry.report {
            Some(report) if report.get().len() > LONGEST_REPORT => {
                return Err(self.error(format!(
                    "a report of {} bytes was found; at most {LONGEST_REPORT} are allowed",
                    report.get().len()
                )));
            }
            Some(report) if !is_object(report) => {
                return Err(self.error("its report is no JSON object"));
            }
            report => report.as_ref().map(|report| report.get().to_owned()),
        };
        if let Some(RunLength { steps: 0, .. }) = entry.run {
            return Err(self.error("it is said to be made for runs of 0 steps; allowed is at least 1"));
        }
        if let Some(InputRange { smallest, largest }) = entry.input
            && !(smallest <= largest && smallest.is_finite() && largest.is_finite())
        {
            return Err(self.error(format!("its input is said to lie between {smallest} and {largest}")));
        }
        let units = net.populations.iter().zip(network.populations()).map(|(entry, population)| {
            entry.unit.as_ref().map(|unit| self.unit(unit, population)).transpose()
        });
        let units: Vec<Option<Unit>> = units.collect::<Result<_, _>>()?;
        let units = if units.iter().all(Option::is_none) { vec![] } else { units };
        let run = entry.run.or_else(|| RunLength::of_options(&provenance));
        Ok(Description { provenance, report, run, input: entry.input, units })
    }

    fn unit(&self, entry: &UnitEntry, population: &Population) -> Result<Unit, FormatError> {
        let at = format!("population `{}`", population.name());
        let scale = self.per_neuron(&at, "scale", &entry.scale)?;
        let offset = self.per_neuron(&at, "offset", &entry.offset)?;
        if !entry.zero.is_finite() {
            return Err(
                self.error(format!("{at}: its unit has the zero {}; allowed are finite numbers", entry.zero))
            );
        }
        let unit = Unit { scale, offset, zero: entry.zero };
        unit.check(population).map_err(|error| self.error(error.to_string()))?;
        Ok(unit)
    }

    /// The numbers of a section, in place.
    fn buffer<T: SectionElement>(&self, name: &str) -> Result<Buffer<T>, FormatError> {
        Ok(Buffer::shared(Arc::new(self.container.section::<T>(name)?)))
    }

    fn per_neuron(&self, at: &str, part: &str, section: &str) -> Result<PerNeuron, FormatError> {
        self.wrap(&format!("{at}: {part}"), PerNeuron::repeating(self.buffer(section)?))
    }

    pub(super) fn neuron(&self, population: &str, entry: &NeuronEntry) -> Result<Neuron, FormatError> {
        let at = format!("population `{population}`");
        Ok(match entry {
            NeuronEntry::Source => Neuron::Source,
            NeuronEntry::IntegrateFire { threshold, bias, start, reset } => Neuron::of(IntegrateFire {
                threshold: self.per_neuron(&at, "threshold", threshold)?,
                bias: self.per_neuron(&at, "bias", bias)?,
                start: self.per_neuron(&at, "start", start)?,
                reset: match reset {
                    ResetEntry::Subtract => Reset::Subtract,
                    ResetEntry::Zero => Reset::Zero,
                },
            }),
            NeuronEntry::Accumulator { bias } => {
                Neuron::of(Accumulator { bias: self.per_neuron(&at, "bias", bias)? })
            }
            NeuronEntry::MaxPool => Neuron::MaxPool(MaxPool),
            NeuronEntry::Model { name, parameters, choices } => self.model(&at, name, parameters, choices)?,
        })
    }

    /// Neurons of a model by its description. A parameter or choice that has a default may be left out.
    fn model(
        &self,
        at: &str,
        name: &str,
        parameters: &BTreeMap<String, String>,
        choices: &BTreeMap<String, String>,
    ) -> Result<Neuron, FormatError> {
        let version = self.container.version();
        if version < MODEL_VERSION {
            return Err(self.error(format!(
                "{at}: neurons are given by a model's name, which files have from version {MODEL_VERSION} on; \
                 this one is version {version}"
            )));
        }
        let model = BuiltIn::find(name)
            .map_err(|error| self.error(format!("{at}: {error}; use a newer snn-event")))?;
        let values = parameters.iter().map(|(parameter, section)| {
            let name = parameter.as_str();
            // Looked for before its section is, which may be missing as well.
            match model.description.parameter(name) {
                Some(_) => Ok((name, self.per_neuron(at, name, section)?)),
                None => Ok((name, self.wrap(at, PerNeuron::same(0.0))?)),
            }
        });
        let values: Vec<(&str, PerNeuron)> = values.collect::<Result<_, FormatError>>()?;
        let choices = choices.iter().map(|(choice, option)| (choice.as_str(), option.as_str()));
        self.wrap(at, model.named(values, choices))
    }

    pub(super) fn connectivity(
        &self,
        at: &str,
        entry: &ConnectivityEntry,
        sources: usize,
        targets: usize,
    ) -> Result<Connectivity, FormatError> {
        Ok(match entry {
            ConnectivityEntry::Rows(rows) => Connectivity::Rows(self.rows(at, rows, [sources, targets])?),
            ConnectivityEntry::Conv2d { geometry, rows } => {
                let &GeometryEntry { source, target, pool, kernel, stride, dilation, padding, groups } =
                    geometry;
                let geometry =
                    Conv2dGeometry { source, target, pool, kernel, stride, dilation, padding, groups };
                // Not checked yet, so products are bounded here.
                let [down, across] = geometry.kernel.map(|taps| taps as usize);
                let count = down.saturating_mul(across).saturating_mul(geometry.source[2] as usize);
                let rows = self.rows(at, rows, [count, geometry.target[2] as usize])?;
                Connectivity::Conv2d(self.wrap(at, Conv2d::new(geometry, rows))?)
            }
            ConnectivityEntry::OneToOne { weights } => {
                let weights = self.per_neuron(at, "weights", weights)?;
                Connectivity::OneToOne(self.wrap(at, OneToOne::new(sources, weights))?)
            }
        })
    }

    fn rows(&self, at: &str, entry: &RowsEntry, [rows, width]: [usize; 2]) -> Result<Rows, FormatError> {
        Ok(match entry {
            RowsEntry::Sparse { row_starts, targets, weights } => {
                let targets = match self.container.entry(targets)?.dtype {
                    Dtype::U16 => Targets::U16(self.buffer(targets)?),
                    // Any other type is an error that names it.
                    _ => Targets::U32(self.buffer(targets)?),
                };
                let row_starts = self.buffer(row_starts)?;
                let weights = self.weights(at, weights, targets.len())?;
                Rows::Sparse(self.wrap(at, SparseRows::new(width, row_starts, targets, weights))?)
            }
            RowsEntry::Dense { weights } => {
                let weights = self.weights(at, weights, rows.saturating_mul(width))?;
                Rows::Dense(self.wrap(at, DenseRows::new(width, weights))?)
            }
        })
    }

    /// The weights of a section, in place; `count` of them if they are two in a byte, whose number the section does not
    /// tell.
    fn weights(&self, at: &str, section: &str, count: usize) -> Result<Weights, FormatError> {
        let dtype = self.container.entry(section)?.dtype;
        let version = self.container.version();
        if matches!(dtype, Dtype::I16 | Dtype::I8 | Dtype::U8) && version < WHOLE_VERSION {
            return Err(self.error(format!(
                "{at}: section `{section}` holds {dtype} numbers; weights are f32 in files before version \
                 {WHOLE_VERSION}, and this one is version {version}"
            )));
        }
        Ok(match dtype {
            Dtype::F32 => Weights::F32(self.buffer(section)?),
            Dtype::I16 => Weights::Int16(self.buffer(section)?),
            Dtype::I8 => Weights::Int8(self.buffer(section)?),
            Dtype::U8 => {
                let nibbles = Nibbles::new(self.buffer(section)?, count);
                Weights::Int4(self.wrap(&format!("{at}: section `{section}`"), nibbles)?)
            }
            Dtype::U16 | Dtype::U32 | Dtype::U64 => {
                return Err(self.error(format!(
                    "{at}: section `{section}` holds {dtype} numbers; allowed for weights are f32, i16, i8, and u8 for two \
                     weights in a byte"
                )));
            }
        })
    }
}
