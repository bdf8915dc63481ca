//! The results of a study as a Parquet file.

use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

use crate::study::Row;
use crate::tables::mean_rate;

/// What a column is made of.
enum Column {
    Text(fn(&Row) -> Option<&str>),
    Whole(fn(&Row) -> Option<i64>),
    Real(fn(&Row) -> Option<f64>),
}

use Column::{Real, Text, Whole};

/// Counts are far below 2^63.
fn whole(number: u64) -> Option<i64> {
    i64::try_from(number).ok()
}

/// The columns, named as the fields of the lines of JSON.
const COLUMNS: [(&str, Column); 28] = [
    ("model", Text(|row| Some(&row.model))),
    ("family", Text(|row| row.family.as_deref())),
    ("sparsity", Real(|row| row.sparsity)),
    ("recipe", Text(|row| Some(&row.recipe))),
    ("encoding", Text(|row| Some(&row.encoding))),
    // As the bits are: seeds may be larger than a signed number is.
    ("seed", Whole(|row| row.seed.map(u64::cast_signed))),
    ("T", Whole(|row| Some(row.steps.into()))),
    ("samples", Whole(|row| whole(row.samples))),
    ("right", Whole(|row| whole(row.right))),
    ("accuracy", Real(|row| Some(row.accuracy))),
    ("accuracy_low", Real(|row| Some(row.interval[0]))),
    ("accuracy_high", Real(|row| Some(row.interval[1]))),
    ("trained_accuracy", Real(|row| Some(row.trained_accuracy))),
    ("p", Real(|row| Some(row.p))),
    ("parameters", Whole(|row| whole(row.parameters))),
    ("connectivity", Real(|row| Some(row.connectivity))),
    ("spikes", Real(|row| Some(row.spikes))),
    ("magnitude", Real(|row| Some(row.magnitude))),
    ("additions", Real(|row| Some(row.additions))),
    ("multiply_adds", Real(|row| Some(row.multiply_adds))),
    ("trained_multiply_adds", Whole(|row| whole(row.trained_multiply_adds))),
    ("operations_ratio", Real(|row| Some(row.operations_ratio))),
    ("touched_potentials", Real(|row| Some(row.touched_potentials))),
    ("energy_preset", Text(|row| Some(&row.energy_preset))),
    ("nanojoules", Real(|row| Some(row.nanojoules))),
    ("trained_nanojoules", Real(|row| row.trained_nanojoules)),
    ("mean_rate", Real(|row| Some(mean_rate(row)))),
    ("spike_digest", Text(|row| Some(&row.spike_digest))),
];

/// The bytes of a Parquet file of the rows, uncompressed: a column for each field, the ends of the interval in two, of rates their mean.
/// The same rows give the same bytes.
///
/// # Errors
/// If the library cannot write them.
pub fn parquet_file(rows: &[Row]) -> Result<Vec<u8>> {
    let field = |(name, column): &(&str, Column)| match column {
        Text(_) => format!("optional binary {name} (UTF8);"),
        Whole(_) => format!("optional int64 {name};"),
        Real(_) => format!("optional double {name};"),
    };
    let fields: String = COLUMNS.iter().map(field).collect();
    let schema = parse_message_type(&format!("message study {{ {fields} }}"))?;
    let properties = WriterProperties::builder().build();
    let mut file = SerializedFileWriter::new(vec![], schema.into(), properties.into())?;
    let mut group = file.next_row_group()?;
    let mut columns = COLUMNS.iter();
    while let (Some(mut writer), Some((_, column))) = (group.next_column()?, columns.next()) {
        match column {
            Text(of) => {
                let text = |row| of(row).map(|text| ByteArray::from(text.as_bytes().to_vec()));
                write::<ByteArrayType>(&mut writer, rows.iter().map(text))?;
            }
            Whole(of) => write::<Int64Type>(&mut writer, rows.iter().map(of))?,
            Real(of) => write::<DoubleType>(&mut writer, rows.iter().map(of))?,
        }
        writer.close()?;
    }
    group.close()?;
    file.into_inner()
}

/// Writes the values of a column that are there.
fn write<T: DataType>(
    writer: &mut SerializedColumnWriter<'_>,
    values: impl Iterator<Item = Option<T::T>>,
) -> Result<()> {
    let values: Vec<Option<T::T>> = values.collect();
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let there: Vec<T::T> = values.into_iter().flatten().collect();
    writer.typed::<T>().write_batch(&there, Some(&levels), None)?;
    Ok(())
}
