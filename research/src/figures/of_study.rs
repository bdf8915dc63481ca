use super::chart::{Line, Numbers, Said, bars, lines, unit};
use super::{Figure, FigureError};
use crate::study::Row;

/// The figures of a study's results, in the order of a page.
///
/// # Errors
/// If one cannot be written.
pub fn of_study(rows: &[Row]) -> Result<Vec<Figure>, FigureError> {
    let Some(first) = rows.first() else { return Ok(vec![]) };
    let mut models: Vec<&str> = vec![];
    for row in rows {
        if !models.contains(&family(row)) {
            models.push(family(row));
        }
    }
    let mut figures = vec![];
    for (place, model) in models.iter().enumerate() {
        let of: Vec<&Row> = rows.iter().filter(|row| family(row) == *model).collect();
        let mut recipes: Vec<(&str, &str)> = vec![];
        for row in &of {
            if !recipes.contains(&(&row.recipe, &row.encoding)) {
                recipes.push((&row.recipe, &row.encoding));
            }
        }
        for (number, &(recipe, encoding)) in recipes.iter().enumerate() {
            let of: Vec<&Row> =
                of.iter().filter(|row| row.recipe == recipe && row.encoding == encoding).copied().collect();
            let named = Named {
                id: format!("{place}-{number}"),
                title: format!("{model}, {recipe}, {encoding} input"),
            };
            // Of recipes that choose their number of steps, one cell for each net.
            let single = of.iter().all(|row| row.steps == of[0].steps);
            if !single {
                figures.push(accuracy(&named, &of, Against::Steps)?);
            }
            figures.push(accuracy(&named, &of, Against::Operations)?);
            figures.push(accuracy(&named, &of, Against::Sparsity)?);
            figures.push(rates(&named, &of)?);
            figures.push(energy(&named, &of, &first.energy_preset)?);
        }
    }
    Ok(figures)
}

/// What a part of the results is called.
struct Named {
    id: String,
    title: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Against {
    Steps,
    Operations,
    Sparsity,
}

/// What is drawn together.
fn family(row: &Row) -> &str {
    row.family.as_deref().unwrap_or(&row.model)
}

/// Which net of its family it is.
fn pruned(row: &Row) -> String {
    match row.sparsity {
        None if row.family.is_some() => row.model.clone(),
        Some(sparsity) if row.family.is_some() => {
            format!("{}, {} % pruned", row.model, round(sparsity * 100.0))
        }
        Some(sparsity) => format!("{} % pruned", round(sparsity * 100.0)),
        None => "as it is".into(),
    }
}

/// Without the digits that a multiplication by a hundred brings.
fn round(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

/// What the lines of a figure are named by, in order of appearance, with their rows.
fn grouped<'a>(rows: &[&'a Row], by: impl Fn(&Row) -> String) -> Vec<(String, Vec<&'a Row>)> {
    let mut groups: Vec<(String, Vec<&Row>)> = vec![];
    for &row in rows {
        let name = by(row);
        match groups.iter_mut().find(|(other, _)| *other == name) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((name, vec![row])),
        }
    }
    groups
}

fn operations(row: &Row) -> f64 {
    row.additions + row.multiply_adds
}

fn accuracy(named: &Named, rows: &[&Row], against: Against) -> Result<Figure, FigureError> {
    let seed = |row: &Row| row.seed.filter(|_| rows.iter().any(|other| other.seed != row.seed));
    let seeded = |row: &Row, name: String| match seed(row) {
        Some(seed) => format!("{name}, seed {seed}"),
        None => name,
    };
    let (each, unit) = unit(rows.iter().map(|row| operations(row)).fold(0.0, f64::max));
    let x = |row: &Row| match against {
        Against::Steps => f64::from(row.steps),
        Against::Operations => operations(row) / each,
        Against::Sparsity => (1.0 - row.connectivity) * 100.0,
    };
    let groups = grouped(rows, |row| match against {
        Against::Sparsity => seeded(row, format!("T = {}", row.steps)),
        _ => seeded(row, pruned(row)),
    });
    let percent = |row: &Row| [row.accuracy, row.interval[0], row.interval[1]].map(|share| share * 100.0);
    let mut drawn: Vec<Line> = groups
        .iter()
        .map(|(label, rows)| {
            let mut points: Vec<[f64; 4]> = rows
                .iter()
                .map(|row| {
                    let [share, low, high] = percent(row);
                    [x(row), share, low, high]
                })
                .collect();
            points.sort_by(|one, other| one[0].total_cmp(&other[0]));
            Line { label: label.clone(), points, is_mark: false }
        })
        .collect();
    if against == Against::Sparsity {
        let mut points: Vec<[f64; 4]> = rows
            .iter()
            .map(|row| {
                [
                    x(row),
                    row.trained_accuracy * 100.0,
                    row.trained_accuracy * 100.0,
                    row.trained_accuracy * 100.0,
                ]
            })
            .collect();
        points.sort_by(|one, other| one[0].total_cmp(&other[0]));
        points.dedup();
        drawn.push(Line { label: "trained net".into(), points, is_mark: true });
    }
    let numbers = Numbers {
        head: vec![
            "net",
            "seed",
            "T",
            "operations",
            "sparsity_percent",
            "accuracy_percent",
            "low_percent",
            "high_percent",
            "trained_percent",
        ],
        rows: rows
            .iter()
            .map(|row| {
                let [share, low, high] = percent(row);
                let sparsity = (1.0 - row.connectivity) * 100.0;
                let mut cells = vec![
                    pruned(row),
                    row.seed.map_or(String::new(), |seed| seed.to_string()),
                    row.steps.to_string(),
                ];
                cells.extend(
                    [operations(row), sparsity, share, low, high, row.trained_accuracy * 100.0]
                        .map(|number| number.to_string()),
                );
                cells
            })
            .collect(),
    };
    let (name, by, x) = match against {
        Against::Steps => ("steps", "steps", "T (steps)".to_owned()),
        Against::Operations => ("operations", "operations", format!("operations ({unit}per sample)")),
        Against::Sparsity => ("sparsity", "sparsity", "weights that are zero (%)".to_owned()),
    };
    let said = Said {
        name: format!("accuracy-{name}-{}", named.id),
        title: format!("Accuracy against {by}: {}", named.title),
        caption: format!("Bands are Wilson's 95 % intervals over {} samples.", rows[0].samples),
        x,
        y: "accuracy (% of samples)".into(),
    };
    lines(said, numbers, &drawn)
}

/// The cells of the longest runs, one for each net.
fn longest<'a>(rows: &[&'a Row]) -> Vec<&'a Row> {
    let most = |rows: Vec<&'a Row>| rows.into_iter().max_by_key(|row| row.steps);
    grouped(rows, pruned).into_iter().filter_map(|(_, rows)| most(rows)).collect()
}

fn rates(named: &Named, rows: &[&Row]) -> Result<Figure, FigureError> {
    let longest = longest(rows);
    let mut drawn = vec![];
    for (place, row) in longest.iter().enumerate() {
        drawn.extend(
            row.rates
                .iter()
                .map(|(population, rate)| (format!("{population} · {}", pruned(row)), rate * 100.0, place)),
        );
    }
    let numbers = Numbers {
        head: vec!["population", "T", "rate_percent"],
        rows: longest
            .iter()
            .flat_map(|row| {
                let cells = |(population, rate): &(String, f64)| {
                    vec![
                        format!("{population}, {}", pruned(row)),
                        row.steps.to_string(),
                        (rate * 100.0).to_string(),
                    ]
                };
                row.rates.iter().map(cells).collect::<Vec<_>>()
            })
            .collect(),
    };
    let said = Said {
        name: format!("rates-{}", named.id),
        title: format!("Rates by population: {}", named.title),
        caption: "Of the longest run of every net; the rest to 100 % is the activation sparsity.".into(),
        x: "rate (spikes per 100 neurons and steps)".into(),
        y: "population and net".into(),
    };
    bars(said, numbers, &drawn)
}

fn energy(named: &Named, rows: &[&Row], preset: &str) -> Result<Figure, FigureError> {
    let mut drawn = vec![];
    for row in rows {
        drawn.push((format!("{}, T = {}", pruned(row), row.steps), row.nanojoules, 0));
    }
    for row in longest(rows) {
        drawn.extend(row.trained_nanojoules.map(|energy| (format!("{}, trained", pruned(row)), energy, 7)));
    }
    let numbers = Numbers {
        head: vec!["what", "nanojoules"],
        rows: drawn.iter().map(|(what, energy, _)| vec![what.clone(), energy.to_string()]).collect(),
    };
    let said = Said {
        name: format!("energy-{}", named.id),
        title: format!("Energy: {}", named.title),
        caption: format!("By the preset {preset}; the pruned, trained net's arithmetic beside it."),
        x: "energy (nJ per sample)".into(),
        y: "net and run".into(),
    };
    bars(said, numbers, &drawn)
}
