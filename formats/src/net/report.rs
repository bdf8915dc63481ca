//! The report of a conversion, as it is kept in a file.

use serde_json::{Map, Value, json};

use super::LONGEST_REPORT;

/// A report, a JSON object, as a `net.bin` keeps it: at most [`LONGEST_REPORT`] bytes. One that is longer loses its `layers`
/// and says `shortened`; if that does not do, only that is left.
///
/// # Errors
/// If it is no JSON object.
pub fn kept_report(report: String) -> serde_json::Result<String> {
    if report.len() <= LONGEST_REPORT {
        return Ok(report);
    }
    let mut shorter: Map<String, Value> = serde_json::from_str(&report)?;
    shorter.insert("layers".into(), json!([]));
    shorter.insert("shortened".into(), json!(true));
    let text = serde_json::to_string(&shorter)?;
    Ok(if text.len() <= LONGEST_REPORT { text } else { json!({"shortened": true}).to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_is_too_long_loses_its_layers_first_and_says_so() {
        let report = |layers: usize, notes: usize| {
            let layers = vec!["x".repeat(1000); layers];
            json!({"steps": 8, "layers": layers, "notes": ["y".repeat(notes)]}).to_string()
        };
        let kept =
            |report: &str| -> Value { serde_json::from_str(&kept_report(report.into()).unwrap()).unwrap() };
        assert_eq!(kept_report(report(500, 0)).unwrap(), report(500, 0), "what fits is kept by bytes");
        assert_eq!(
            kept(&report(600, 1)),
            json!({"steps": 8, "layers": [], "notes": ["y"], "shortened": true})
        );
        assert_eq!(kept(&report(0, LONGEST_REPORT)), json!({"shortened": true}));
    }
}
