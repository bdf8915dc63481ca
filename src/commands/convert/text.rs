//! What a conversion did, for people.

use snn_converter::NeuronKind;
use snn_converter::report::Report;

use crate::{output, table};

/// Which layers take more room than what was trained for them, and why; nothing if the network as a whole takes no more than
/// 1.3 times the weights and indices of the trained net.
pub fn growth(report: &Report) -> String {
    let [stored, trained] = report.bytes();
    if 10 * stored <= 13 * trained {
        return String::new();
    }
    let grown = || report.layers.iter().filter(|layer| layer.size.grown.is_some());
    let rows = grown().map(|layer| {
        let trained = layer.size.trained.iter().map(|operator| operator.bytes).sum();
        vec![layer.name.clone(), output::bytes(trained), output::bytes(layer.size.bytes)]
    });
    let table = table::table(&["larger than trained", "trained", "stored"], rows);
    let reasons =
        grown().map(|layer| format!("{}: {}\n", layer.name, layer.size.grown.as_deref().unwrap_or_default()));
    let reasons: String = reasons.collect();
    format!(
        "weights and indices take {}, those of the trained net {}:\n{table}\n\n{reasons}\n",
        output::bytes(stored),
        output::bytes(trained),
    )
}

/// What rounding weights to whole numbers lost, as a table; nothing if none were rounded.
pub fn rounded_weights(report: &Report) -> String {
    let rows: Vec<Vec<String>> = report
        .layers
        .iter()
        .filter_map(|layer| {
            let rounding = layer.weight_rounding?;
            Some(vec![
                layer.name.clone(),
                rounding.stored_as.to_owned(),
                format!("{:.2e}", rounding.scale.median),
                format!("{:.2} %", 100.0 * rounding.error.sqrt()),
                output::count(rounding.lost),
                format!("2^{}", rounding.exponent),
            ])
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = ["weights of", "stored as", "scale", "rounding\nerror", "rounded\nto zero", "unit of\nbiases"];
    format!("{}\n\n", table::table(&head, rows))
}

/// What each layer loses, as a table, and the accuracies if they are known.
pub fn losses(report: &Report) -> String {
    let number = |number: f64| format!("{number:.4}");
    let counts = report.neuron != NeuronKind::Unit;
    let rows = report.layers.iter().filter_map(|layer| {
        let loss = layer.loss?;
        let of = [loss.activation, loss.rate, loss.error, loss.clipping, loss.quantisation];
        let of = of.into_iter().chain(loss.before).chain([loss.rest]);
        let correlation = loss.correlation.map_or("–".into(), number);
        Some([layer.name.clone(), correlation].into_iter().chain(of.map(number)).collect())
    });
    let mut head =
        vec!["in units of λ", "correlation", "activation", "rate", "error", "clipping", "quanti-\nsation"];
    head.extend(counts.then_some("layers\nbefore"));
    head.push("uneven\nspikes");
    let samples = output::counted(report.compared.unwrap_or(0), "calibration sample");
    let of = match report.neuron {
        NeuronKind::Settle => "counts at rest".into(),
        _ => format!("spike rates at T = {}", output::count(report.steps.into())),
    };
    let mut text = format!("{of} against activations, {samples}:\n{}\n\n", table::table(&head, rows));
    let differing = report.layers.iter().filter_map(|layer| layer.loss?.differing).sum::<u64>();
    if counts {
        text += &format!(
            "counts that are not the quantised network's: {}\n\n",
            if differing == 0 { "none".into() } else { output::count(differing) }
        );
    }
    if let Some(accuracy) = &report.accuracy {
        text += &format!(
            "accuracy on {}: trained net {}, spiking network {}\n\n",
            output::counted(accuracy.samples, "calibration sample"),
            output::percent(accuracy.trained),
            output::percent(accuracy.spiking)
        );
    }
    text
}
