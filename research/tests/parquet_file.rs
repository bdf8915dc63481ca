//! The Parquet file of a study's results has their numbers: read back by the library's own reader.
#![cfg(feature = "parquet")]

use std::io::Write;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use snn_research::{Row, parquet_file};

const LINE: &str = r#"{"model":"mlp","sparsity":0.9,"recipe":"unit","encoding":"poisson","seed":18446744073709551615,"T":8,"samples":200,
    "right":196,"accuracy":0.98,"interval":[0.95,0.99],"trained_accuracy":0.985,"p":0.5,"parameters":26620,"connectivity":0.1,
    "spikes":491.5,"magnitude":491.5,"additions":5000.0,"multiply_adds":2100.0,"trained_multiply_adds":26620,
    "operations_ratio":0.25,"touched_potentials":900.0,"energy_preset":"loihi","nanojoules":21.6,"trained_nanojoules":null,
    "rates":[["a",0.1],["b",0.3]],"spike_digest":"ab"}"#;

#[test]
fn the_file_has_a_row_for_each_result_with_its_numbers() {
    let row: Row = serde_json::from_str(LINE).unwrap();
    let settled = Row { seed: None, sparsity: None, family: Some("LeNet".into()), ..row.clone() };
    let bytes = parquet_file(&[row.clone(), settled.clone()]).unwrap();
    assert_eq!(parquet_file(&[row, settled]).unwrap(), bytes);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2);
    let names: Vec<&String> = rows[0].get_column_iter().map(|(name, _)| name).collect();
    let place = |name: &str| names.iter().position(|found| *found == name).unwrap();
    assert_eq!(rows[0].get_string(place("model")).unwrap(), "mlp");
    assert_eq!(rows[0].get_double(place("sparsity")).unwrap(), 0.9);
    assert_eq!(rows[0].get_long(place("T")).unwrap(), 8);
    assert_eq!(rows[0].get_long(place("seed")).unwrap().cast_unsigned(), u64::MAX);
    assert_eq!(rows[0].get_double(place("accuracy_high")).unwrap(), 0.99);
    assert!((rows[0].get_double(place("mean_rate")).unwrap() - 0.2).abs() < 1e-12);
    assert_eq!(rows[1].get_string(place("family")).unwrap(), "LeNet");
    // What is not known is null, which is no number.
    assert!(rows[1].get_double(place("sparsity")).is_err() && rows[1].get_long(place("seed")).is_err());
    assert!(rows[0].get_double(place("trained_nanojoules")).is_err());
    assert!(parquet_file(&[]).is_ok());
}
