//! From a network to the entries and sections of its file.

use std::path::Path;

use serde_json::value::RawValue;

use snn_engine::{
    Accumulator, Connectivity, Conv2dGeometry, IntegrateFire, MaxPool, Network, Neuron, Reset, Rows, Targets,
    Weights,
};

use super::entry::{
    ConnectivityEntry, DescriptionEntry, GeometryEntry, NetEntry, NeuronEntry, PopulationEntry,
    ProjectionEntry, ResetEntry, RowsEntry, ShapeEntry, UnitEntry,
};
use super::{Description, KIND, LONGEST_PROVENANCE, LONGEST_REPORT, MODEL_VERSION, WHOLE_VERSION};
use crate::container::{ContainerWriter, SectionElement};
use crate::digest::Digest;
use crate::error::{FormatError, Origin};

/// Writes a network to `path`, complete or not at all, and returns the digest of the file. The same network and description
/// give the same bytes.
///
/// # Errors
/// If the file cannot be written, the provenance is longer than [`LONGEST_PROVENANCE`], the report longer than
/// [`LONGEST_REPORT`] or no JSON object, or a population has neurons of a model that is not one of the engine's own.
pub fn write_net(
    path: impl AsRef<Path>,
    network: &Network,
    description: &Description,
) -> Result<Digest, FormatError> {
    let refused = |what: String| Origin::file(&path).error(format!("cannot be written: {what}"));
    let (writer, content) = entries(network, description).map_err(refused)?;
    writer.write(&path, KIND, &content)
}

/// The bytes of the file that [`write_net`] writes.
///
/// # Errors
/// As [`write_net`], which are about `<memory>`.
pub fn net_bytes(network: &Network, description: &Description) -> Result<Vec<u8>, FormatError> {
    let (writer, content) = in_memory(network, description)?;
    Ok(writer.bytes(KIND, &content))
}

/// The digest of the file that [`write_net`] writes. Cost: one pass over the numbers of the network.
///
/// # Errors
/// As [`net_bytes`].
pub fn net_digest(network: &Network, description: &Description) -> Result<Digest, FormatError> {
    let (writer, content) = in_memory(network, description)?;
    Ok(writer.digest(KIND, &content))
}

fn in_memory<'a>(
    network: &'a Network,
    description: &'a Description,
) -> Result<(ContainerWriter<'a>, NetEntry), FormatError> {
    entries(network, description)
        .map_err(|what| Origin::file("<memory>").error(format!("cannot be written: {what}")))
}

/// The sections of a network's file, and the content of its head.
fn entries<'a>(
    network: &'a Network,
    description: &'a Description,
) -> Result<(ContainerWriter<'a>, NetEntry), String> {
    let provenance = serde_json::value::to_raw_value(&description.provenance)
        .unwrap_or_else(|reason| panic!("a JSON object is no JSON: {reason}"));
    let length = provenance.get().len();
    if length > LONGEST_PROVENANCE {
        return Err(format!("its provenance has {length} bytes, at most {LONGEST_PROVENANCE} are allowed"));
    }
    let report = description.report.clone().map(object).transpose()?;
    if !description.units.is_empty() && description.units.len() != network.populations().len() {
        return Err(format!(
            "there are {} units for {} populations",
            description.units.len(),
            network.populations().len()
        ));
    }
    for (unit, population) in description.units.iter().zip(network.populations()) {
        if let Some(unit) = unit {
            unit.check(population).map_err(|error| error.to_string())?;
        }
    }
    for population in network.populations() {
        if let Some(model) = population.neuron().model().filter(|model| !model.is_built_in()) {
            return Err(format!(
                "population `{}` has neurons of the model `{}`, which is not one of the engine's; \
                 files hold only those",
                population.name(),
                model.description().name
            ));
        }
    }
    let mut writer = ContainerWriter::new();
    let populations = network
        .populations()
        .iter()
        .enumerate()
        .map(|(place, population)| PopulationEntry {
            name: population.name().to_owned(),
            shape: ShapeEntry(population.layout()),
            neuron: write_neuron(&mut writer, population.name(), population.neuron()),
            unit: description.unit(place).map(|unit| UnitEntry {
                scale: add(&mut writer, population.name(), "unit_scale", unit.scale.values()),
                offset: add(&mut writer, population.name(), "unit_offset", unit.offset.values()),
                zero: unit.zero,
            }),
        })
        .collect();
    let name = |id| network.population(id).name().to_owned();
    let projections = network
        .projections()
        .iter()
        .enumerate()
        .map(|(index, projection)| ProjectionEntry {
            source: name(projection.source()),
            target: name(projection.target()),
            delay: projection.delay(),
            connectivity: write_connectivity(
                &mut writer,
                &format!("projection{index}"),
                projection.connectivity(),
            ),
        })
        .collect();
    let description = DescriptionEntry { provenance, report, run: description.run, input: description.input };
    let content = NetEntry { populations, projections, description };
    Ok((writer, content))
}

/// A report as it goes into the head.
fn object(report: String) -> Result<Box<RawValue>, String> {
    let length = report.len();
    if length > LONGEST_REPORT {
        return Err(format!("its report has {length} bytes, at most {LONGEST_REPORT} are allowed"));
    }
    match RawValue::from_string(report) {
        Ok(report) if is_object(&report) => Ok(report),
        Ok(_) => Err("its report is no JSON object".into()),
        Err(reason) => Err(format!("its report is no JSON object: {reason}")),
    }
}

/// Whether a value of JSON is an object: its text begins so.
pub(super) fn is_object(value: &RawValue) -> bool {
    value.get().trim_start().starts_with('{')
}

/// Adds a section called `owner.part`; returns its name.
fn add<'a, T: SectionElement>(
    writer: &mut ContainerWriter<'a>,
    owner: &str,
    part: &str,
    numbers: &'a [T],
) -> String {
    let name = format!("{owner}.{part}");
    writer.section(name.clone(), numbers);
    name
}

fn write_neuron<'a>(writer: &mut ContainerWriter<'a>, owner: &str, neuron: &'a Neuron) -> NeuronEntry {
    let model = match neuron {
        Neuron::Source => return NeuronEntry::Source,
        Neuron::MaxPool(MaxPool) => return NeuronEntry::MaxPool,
        Neuron::Model(model) => model,
    };
    // As the first version of the format has them, so that programs that know only that one read them.
    if let Some(neuron) = model.as_model::<IntegrateFire>() {
        return NeuronEntry::IntegrateFire {
            threshold: add(writer, owner, "threshold", neuron.threshold.values()),
            bias: add(writer, owner, "bias", neuron.bias.values()),
            start: add(writer, owner, "start", neuron.start.values()),
            reset: match neuron.reset {
                Reset::Subtract => ResetEntry::Subtract,
                Reset::Zero => ResetEntry::Zero,
            },
        };
    }
    if let Some(neuron) = model.as_model::<Accumulator>() {
        return NeuronEntry::Accumulator { bias: add(writer, owner, "bias", neuron.bias.values()) };
    }
    writer.needs_version(MODEL_VERSION);
    let described = model.description();
    let parameters = described.parameters.iter().zip(model.parameters());
    let parameters = parameters
        .map(|(parameter, values)| {
            (parameter.name.to_owned(), add(writer, owner, parameter.name, values.values()))
        })
        .collect();
    let choices = described.choices.iter().zip(model.choices());
    let choices =
        choices.map(|(choice, option)| (choice.name.to_owned(), choice.options[option].to_owned())).collect();
    NeuronEntry::Model { name: described.name.to_owned(), parameters, choices }
}

fn write_connectivity<'a>(
    writer: &mut ContainerWriter<'a>,
    owner: &str,
    connectivity: &'a Connectivity,
) -> ConnectivityEntry {
    match connectivity {
        Connectivity::Rows(rows) => ConnectivityEntry::Rows(write_rows(writer, owner, rows)),
        Connectivity::Conv2d(conv) => {
            let &Conv2dGeometry { source, target, pool, kernel, stride, dilation, padding, groups } =
                conv.geometry();
            ConnectivityEntry::Conv2d {
                geometry: GeometryEntry { source, target, pool, kernel, stride, dilation, padding, groups },
                rows: write_rows(writer, owner, conv.rows()),
            }
        }
        Connectivity::OneToOne(one) => {
            ConnectivityEntry::OneToOne { weights: add(writer, owner, "weights", one.weights().values()) }
        }
    }
}

fn write_rows<'a>(writer: &mut ContainerWriter<'a>, owner: &str, rows: &'a Rows) -> RowsEntry {
    match rows {
        Rows::Sparse(rows) => RowsEntry::Sparse {
            row_starts: add(writer, owner, "row_starts", rows.row_starts()),
            targets: match rows.targets() {
                Targets::U16(ids) => add(writer, owner, "targets", ids),
                Targets::U32(ids) => add(writer, owner, "targets", ids),
            },
            weights: write_weights(writer, owner, rows.weights()),
        },
        Rows::Dense(rows) => RowsEntry::Dense { weights: write_weights(writer, owner, rows.weights()) },
    }
}

/// Adds the section of some weights; its type says what they are.
fn write_weights<'a>(writer: &mut ContainerWriter<'a>, owner: &str, weights: &'a Weights) -> String {
    let part = "weights";
    if !matches!(weights, Weights::F32(_)) {
        writer.needs_version(WHOLE_VERSION);
    }
    match weights {
        Weights::F32(weights) => add(writer, owner, part, weights),
        Weights::Int16(weights) => add(writer, owner, part, weights),
        Weights::Int8(weights) => add(writer, owner, part, weights),
        Weights::Int4(weights) => add(writer, owner, part, weights.bytes()),
    }
}
