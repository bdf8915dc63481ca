//! Numbers of a study as the tables print them.

use snn_rivals::Study;

/// Seconds per sample of the simulator, the scatter loop and the dense product.
pub fn seconds(study: &Study) -> [f64; 3] {
    let of = |rival: &Result<snn_rivals::Times, _>| rival.as_ref().map_or(f64::NAN, |times| times.best());
    [study.layers.best(), of(&study.scatter), of(&study.dense)]
}

pub fn kernels(study: &Study) -> String {
    let names = study.each.iter().map(|layer| match layer.delivery {
        Some(delivery) => format!("{delivery:?}"),
        None => "steps".to_owned(),
    });
    names.collect::<Vec<_>>().join(", ")
}

/// Milliseconds; `–` if there are none.
pub fn ms(seconds: f64) -> String {
    if seconds.is_nan() { "–".to_owned() } else { format!("{:.3}", seconds * 1e3) }
}

pub fn ratio(times: f64) -> String {
    if times.is_nan() { "–".to_owned() } else { format!("{times:.2}") }
}
