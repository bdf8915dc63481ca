//! The tables of a study's results.

use crate::study::Row;

/// The columns that publications show, as text.
fn cells(row: &Row) -> [String; 13] {
    [
        row.model.clone(),
        row.sparsity.map_or(String::new(), |sparsity| format!("{}", sparsity * 100.0)),
        row.recipe.clone(),
        row.encoding.clone(),
        row.steps.to_string(),
        format!("{:.2}", row.accuracy * 100.0),
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
        "% \\usepackage{booktabs}\n\\begin{tabular}{lrllrrrrrrrrr}\n\\toprule\nmodel & pruned & neuron & input & $T$ & acc. & $\\Delta$ & \
         conn. & param. & ops & ratio & nJ & rate \\\\\n\\midrule\n",
    );
    for row in rows {
        text += &cells(row).map(escaped).join(" & ");
        text += " \\\\\n";
    }
    text + "\\bottomrule\n\\end{tabular}\n"
}

/// The head of the columns of [`csv_rows`].
pub const CSV_HEAD: [&str; 13] = [
    "model",
    "pruned_percent",
    "recipe",
    "encoding",
    "T",
    "accuracy_percent",
    "difference_points",
    "connectivity_percent",
    "parameters",
    "operations",
    "operations_ratio",
    "nanojoules",
    "mean_rate_percent",
];

/// The rows as texts, for a table of comma separated values.
#[must_use]
pub fn csv_rows(rows: &[Row]) -> Vec<[String; 13]> {
    rows.iter().map(cells).collect()
}
