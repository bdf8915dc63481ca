//! The tables of a study's results.

use crate::study::Row;

/// The columns that publications show, as text.
fn cells(row: &Row) -> [String; 14] {
    [
        row.model.clone(),
        row.sparsity.map_or(String::new(), |sparsity| format!("{}", sparsity * 100.0)),
        row.recipe.clone(),
        row.encoding.clone(),
        row.steps.to_string(),
        format!("{:.2}", row.accuracy * 100.0),
        format!("{:.2}", row.trained_accuracy * 100.0),
        format!("{:+.2}", (row.accuracy - row.trained_accuracy) * 100.0),
        format!("{:.2}", row.connectivity * 100.0),
        row.parameters.to_string(),
        format!("{:.0}", row.additions + row.multiply_adds),
        format!("{:.3}", row.operations_ratio),
        format!("{:.2}", row.nanojoules),
        format!("{:.2}", mean_rate(row) * 100.0),
    ]
}

/// The mean of the rates of all populations.
pub(crate) fn mean_rate(row: &Row) -> f64 {
    row.rates.iter().map(|(_, rate)| rate).sum::<f64>() / row.rates.len().max(1) as f64
}

/// The rows as a LaTeX table with the rules of the package booktabs: accuracies, differences, connectivities and rates in per cent,
/// operations and energies of one sample.
#[must_use]
pub fn latex(rows: &[Row]) -> String {
    let escaped = |text: String| {
        let special = |character: char| match character {
            '_' | '%' | '&' | '#' | '$' | '{' | '}' => format!("\\{character}"),
            '\\' => "\\textbackslash{}".into(),
            '~' => "\\textasciitilde{}".into(),
            '^' => "\\textasciicircum{}".into(),
            other => other.to_string(),
        };
        text.chars().map(special).collect::<String>()
    };
    let mut text = String::from(
        "% \\usepackage{booktabs}\n\\begin{tabular}{lrllrrrrrrrrrr}\n\\toprule\nmodel & pruned & neuron & input & $T$ & acc. & trained & $\\Delta$ & \
         conn. & param. & ops & ratio & nJ & rate \\\\\n\\midrule\n",
    );
    for row in rows {
        text += &cells(row).map(escaped).join(" & ");
        text += " \\\\\n";
    }
    text + "\\bottomrule\n\\end{tabular}\n"
}

/// The head of the columns of [`csv_rows`].
pub(crate) const CSV_HEAD: [&str; 17] = [
    "model",
    "pruned_percent",
    "recipe",
    "encoding",
    "T",
    "accuracy_percent",
    "trained_accuracy_percent",
    "difference_points",
    "connectivity_percent",
    "parameters",
    "operations",
    "operations_ratio",
    "nanojoules",
    "mean_rate_percent",
    "accuracy_low_percent",
    "accuracy_high_percent",
    "rates_percent",
];

/// The rows as a table of comma separated values, with a head: the columns of publications, and what they are told with.
///
/// # Errors
/// If there is no memory for it.
pub fn csv(rows: &[Row]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(vec![]);
    writer.write_record(CSV_HEAD)?;
    for row in csv_rows(rows) {
        writer.write_record(&row)?;
    }
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}

/// The rows as texts, for a table of comma separated values. The last column has the rate of each population that fires, by name:
/// `hidden=4.21;output=3.00`.
pub(crate) fn csv_rows(rows: &[Row]) -> Vec<[String; 17]> {
    let percent = |share: f64| format!("{:.2}", share * 100.0);
    let wide = |row: &Row| {
        let rates: Vec<String> =
            row.rates.iter().map(|(name, rate)| format!("{name}={}", percent(*rate))).collect();
        let more = [percent(row.interval[0]), percent(row.interval[1]), rates.join(";")];
        let mut all = cells(row).into_iter().chain(more);
        std::array::from_fn(|_| all.next().expect("fourteen and three"))
    };
    rows.iter().map(wide).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_interval_the_trained_accuracy_and_the_rate_of_every_population() {
        let line = r#"{"model":"mlp_90","sparsity":0.9,"recipe":"unit","encoding":"constant","seed":null,"T":8,"samples":200,
            "right":196,"accuracy":0.98,"interval":[0.95,0.99],"trained_accuracy":0.985,"p":0.5,"parameters":26620,
            "connectivity":0.1,"spikes":491.5,"magnitude":491.5,"additions":5000.0,"multiply_adds":2100.0,
            "trained_multiply_adds":26620,"operations_ratio":0.25,"touched_potentials":900.0,"energy_preset":"loihi",
            "nanojoules":21.6,"trained_nanojoules":null,"rates":[["a",0.1],["b",0.305]],"spike_digest":"ab"}"#;
        let row: Row = serde_json::from_str(line).expect("a row");
        let made = &csv_rows(std::slice::from_ref(&row))[0];
        let of = |name: &str| {
            let place = CSV_HEAD.iter().position(|head| *head == name).expect("a column");
            made[place].as_str()
        };
        assert_eq!(of("trained_accuracy_percent"), "98.50");
        assert_eq!(of("difference_points"), "-0.50");
        assert_eq!((of("accuracy_low_percent"), of("accuracy_high_percent")), ("95.00", "99.00"));
        assert_eq!(of("rates_percent"), "a=10.00;b=30.50");
        assert_eq!(of("mean_rate_percent"), "20.25");
        let table = latex(&[row]);
        assert!(
            table.contains("mlp\\_90 & 90 & unit & constant & 8 & 98.00 & 98.50 & -0.50 & 10.00"),
            "{table}"
        );
        let columns = table.lines().find_map(|line| line.split("tabular}{").nth(1)).expect("columns");
        assert_eq!(
            columns.trim_end_matches('}').len(),
            table.lines().nth(3).expect("a head").split('&').count()
        );
    }
}
