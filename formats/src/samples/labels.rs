use crate::array::{Array, Values};
use crate::error::FormatError;

/// The class of each sample, from whole numbers `(N,)` or `(N, 1)`, or from one-hot rows `(N, classes)`.
///
/// # Errors
/// If the shape is another, there are not as many labels as samples, or one is no class of the net; the first is named, with
/// its place.
pub fn labels(array: Array, samples: usize, classes: usize) -> Result<Vec<i64>, FormatError> {
    let (shape, origin) = (array.shape.clone(), array.origin().clone());
    match shape[..] {
        [rows] | [rows, 1] if rows == samples => {}
        [rows, columns] if rows == samples && columns == classes => return one_hot(array, classes),
        _ => {
            return Err(origin.error(format!(
                "labels of shape {shape:?} were found; the input has {samples} samples, so allowed are whole numbers of \
                 shape ({samples},) or ({samples}, 1), and one-hot rows of shape ({samples}, {classes})"
            )));
        }
    }
    let labels = array.into_labels()?;
    let allowed = i64::try_from(classes).unwrap_or(i64::MAX);
    match labels.iter().position(|label| !(0..allowed).contains(label)) {
        None => Ok(labels),
        Some(place) => Err(origin.error(format!(
            "label {} of sample {place} is no class: the net has {classes} outputs, allowed are 0 to {}{}",
            labels[place],
            classes.saturating_sub(1),
            if labels[place] == allowed { "; labels that begin at 1 need one subtracted" } else { "" }
        ))),
    }
}

/// The place of the one in every row.
fn one_hot(array: Array, classes: usize) -> Result<Vec<i64>, FormatError> {
    let origin = array.origin().clone();
    if let Values::Text(_) = array.values {
        return Err(origin.error("labels of type str were found; whole numbers are expected"));
    }
    let values = array.into_f32()?;
    let row = |(sample, row): (usize, &[f32])| {
        let error = |what: String| {
            origin.error(format!(
                "row {sample} {what}; in one-hot labels one value of a row is 1 and the others are 0"
            ))
        };
        if let Some(place) = row.iter().position(|&value| value != 0.0 && value != 1.0) {
            return Err(error(format!("has {} at [{sample}, {place}]", row[place])));
        }
        let mut ones = row.iter().enumerate().filter(|(_, value)| **value == 1.0);
        match (ones.next(), ones.count()) {
            (Some((class, _)), 0) => Ok(class as i64),
            (None, _) => Err(error("has no 1".into())),
            (Some(_), more) => Err(error(format!("has {} ones", more + 1))),
        }
    };
    values.chunks_exact(classes.max(1)).enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Origin;

    fn read(shape: &[usize], values: Values, classes: usize) -> Result<Vec<i64>, String> {
        let samples = shape.first().copied().unwrap_or(0);
        let array = Array::new(shape.to_vec(), values, Origin::file("y.npy"));
        labels(array, samples, classes).map_err(|error| error.to_string())
    }

    #[test]
    fn labels_are_read_as_numbers_as_a_column_and_one_hot() {
        let classes = vec![2, 0, 1];
        assert_eq!(read(&[3], Values::I64(classes.clone()), 3).unwrap(), classes);
        assert_eq!(read(&[3, 1], Values::U8(vec![2, 0, 1]), 3).unwrap(), classes);
        assert_eq!(read(&[3], Values::F32(vec![2.0, 0.0, 1.0]), 3).unwrap(), classes);
        let rows = [[0, 0, 1], [1, 0, 0], [0, 1, 0]].concat();
        assert_eq!(read(&[3, 3], Values::U8(rows.clone()), 3).unwrap(), classes);
        let rows = rows.into_iter().map(|value| value == 1).collect();
        assert_eq!(read(&[3, 3], Values::Bool(rows), 3).unwrap(), classes);
        // A net of one output has one class, not rows of one.
        assert_eq!(read(&[2, 1], Values::I64(vec![0, 0]), 1).unwrap(), [0, 0]);
    }

    #[test]
    fn what_is_no_label_is_named_with_its_place() {
        let fails = |shape: &[usize], values, parts: &[&str]| {
            let error = read(shape, values, 10).unwrap_err();
            for part in ["y.npy"].iter().chain(parts) {
                assert!(error.contains(part), "no {part:?} in {error}");
            }
        };
        fails(&[3], Values::I64(vec![0, 99, 1]), &["label 99 of sample 1", "10 outputs", "0 to 9"]);
        fails(&[3], Values::I64(vec![0, 1, -1]), &["label -1 of sample 2", "0 to 9"]);
        fails(&[2], Values::U8(vec![1, 10]), &["label 10 of sample 1", "begin at 1"]);
        fails(&[2], Values::F64(vec![1.0, 0.5]), &["0.5", "[1]", "whole number"]);
        fails(&[2], Values::F32(vec![f32::NAN, 0.5]), &["NaN", "[0]"]);
        fails(&[2, 2], Values::I64(vec![0, 1, 1, 0]), &["[2, 2]", "(2,)", "(2, 1)", "(2, 10)"]);
        let mut rows = vec![0.0; 20];
        rows[3] = 1.0;
        fails(&[2, 10], Values::F32(rows.clone()), &["row 1 has no 1"]);
        rows[12] = 0.25;
        fails(&[2, 10], Values::F32(rows.clone()), &["0.25 at [1, 2]", "one-hot"]);
        (rows[12], rows[13]) = (1.0, 1.0);
        fails(&[2, 10], Values::F32(rows), &["row 1 has 2 ones"]);
    }
}
