use kuva::prelude::{Histogram, Layout, Plot, ScatterPlot};
use snn_engine::{Network, PopulationId};

use super::chart::{
    Line, Numbers, Said, bars, lines, plots, series, short, slug, stacked, unit, with_plain_x,
};
use super::{Figure, FigureError};
use crate::evaluate::Evaluation;
use crate::look::{Activations, Look};
use crate::proportion::Proportion;
use crate::report::{EvaluationReport, PointReport};

/// What the figures of a run show.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The network that was run.
    pub network: &'a Network,
    /// What was found.
    pub report: &'a EvaluationReport,
    /// The same in full, with the spikes of every neuron.
    pub evaluation: &'a Evaluation,
    /// Some samples more closely.
    pub look: &'a Look,
    /// Activations of the trained net beside rates, if there is one.
    pub activations: &'a [Activations],
    /// The report of the conversion that `net.bin` keeps, a JSON object.
    pub conversion: Option<&'a serde_json::Value>,
}

/// All figures of a run, in the order of a page.
///
/// # Errors
/// If one cannot be written.
pub fn of_run(shown: &Shown<'_>) -> Result<Vec<Figure>, FigureError> {
    let mut figures = vec![accuracy(shown, false)?, accuracy(shown, true)?];
    figures.extend(ends(shown)?);
    figures.extend([spikes(shown)?, sparsity(shown)?]);
    figures.extend(rates(shown)?);
    figures.extend(activations(shown)?);
    figures.push(raster(shown)?);
    figures.extend(energies(shown)?);
    figures.extend(loss(shown)?);
    Ok(figures)
}

fn percent(proportion: &Proportion) -> [f64; 3] {
    [proportion.share, proportion.low, proportion.high].map(|share| share * 100.0)
}

/// Accuracy, or without labels agreement with the end, against steps or operations.
fn accuracy(shown: &Shown<'_>, against_operations: bool) -> Result<Figure, FigureError> {
    let report = shown.report;
    let labelled = report.points.iter().all(|point| point.accuracy.is_some());
    let told = |point: &PointReport| point.accuracy.filter(|_| labelled).unwrap_or(point.settled);
    let drive: f64 = report.populations.iter().map(|costs| costs.drive_operations).sum();
    let operations = |point: &PointReport| point.spent.synaptic_operations + drive;
    let (each, unit) = unit(report.points.iter().map(operations).fold(0.0, f64::max));
    let x = |point: &PointReport| {
        if against_operations { operations(point) / each } else { f64::from(point.steps) }
    };
    let points = report.points.iter().map(|point| {
        let [share, low, high] = percent(&told(point));
        [x(point), share, low, high]
    });
    let mut drawn = vec![Line { label: "spiking network".into(), points: points.collect(), is_mark: false }];
    if let Some(accuracy) = report.trained.as_ref().and_then(|trained| trained.accuracy)
        && labelled
        && let (Some(first), Some(last)) = (report.points.first(), report.points.last())
    {
        let [share, low, high] = percent(&accuracy);
        let points = [first, last].map(|point| [x(point), share, low, high]).to_vec();
        drawn.push(Line { label: "trained net".into(), points, is_mark: true });
    }
    let numbers = Numbers {
        head: vec!["T", "operations", "percent", "low_percent", "high_percent"],
        rows: report
            .points
            .iter()
            .map(|point| {
                let [share, low, high] = percent(&told(point));
                [f64::from(point.steps), operations(point), share, low, high]
                    .map(|number| number.to_string())
                    .to_vec()
            })
            .collect(),
    };
    let what = if labelled { "accuracy" } else { "class as at the end" };
    let (name, by, x) = if against_operations {
        ("accuracy-operations", "operations", format!("operations ({unit}per sample)"))
    } else {
        ("accuracy-steps", "steps", "T (steps)".into())
    };
    let said = Said {
        name: name.into(),
        title: format!("{} against {by}", if labelled { "Accuracy" } else { "Settling" }),
        caption: format!(
            "Bands are Wilson's 95 % intervals over {} samples.{}",
            report.samples,
            if against_operations { " Operations are additions and multiply-adds." } else { "" }
        ),
        x,
        y: format!("{what} (% of samples)"),
    };
    lines(said, numbers, &drawn)
}

/// When samples would have ended, rule by rule.
fn ends(shown: &Shown<'_>) -> Result<Vec<Figure>, FigureError> {
    let figure = |stop: &crate::report::StopReport| {
        let all: u64 = stop.ended.iter().map(|(_, samples)| samples).sum();
        let mut sum = 0;
        let mut points = vec![];
        for &(steps, samples) in &stop.ended {
            sum += samples;
            let share = Proportion::new(sum, all);
            let [share, low, high] = percent(&share);
            points.push([f64::from(steps), share, low, high]);
        }
        let numbers = Numbers {
            head: vec!["T", "samples"],
            rows: stop
                .ended
                .iter()
                .map(|(steps, samples)| vec![steps.to_string(), samples.to_string()])
                .collect(),
        };
        let rule = stop.rule.to_string();
        let said = Said {
            name: format!("ends-{}", slug(&rule)),
            title: format!("Early ends by {rule}"),
            caption: format!(
                "Mean {:.1} steps; the rule never held for {} samples.",
                stop.mean_steps, stop.unended
            ),
            x: "T (steps)".into(),
            y: "samples that have ended (%)".into(),
        };
        lines(said, numbers, &[Line { label: rule.clone(), points, is_mark: false }])
    };
    shown.report.stops.iter().map(figure).collect()
}

fn spikes(shown: &Shown<'_>) -> Result<Figure, FigureError> {
    let costs = &shown.report.populations;
    let drawn: Vec<_> = costs
        .iter()
        .enumerate()
        .map(|(place, costs)| (costs.population.clone(), costs.spikes, place))
        .collect();
    let numbers = Numbers {
        head: vec![
            "population",
            "neurons",
            "spikes",
            "magnitude",
            "additions",
            "multiply_adds",
            "touched_potentials",
        ],
        rows: costs
            .iter()
            .map(|costs| {
                let means = [
                    costs.spikes,
                    costs.magnitude,
                    costs.additions,
                    costs.multiply_adds,
                    costs.touched_potentials,
                ];
                let mut row = vec![costs.population.clone(), costs.neurons.to_string()];
                row.extend(means.map(|mean| mean.to_string()));
                row
            })
            .collect(),
    };
    let said = Said {
        name: "spikes".into(),
        title: "Spikes by population".into(),
        caption: format!("Means over {} samples of {} steps.", shown.report.samples, shown.report.steps),
        x: "spikes per sample".into(),
        y: "population".into(),
    };
    bars(said, numbers, &drawn)
}

fn sparsity(shown: &Shown<'_>) -> Result<Figure, FigureError> {
    let layers = &shown.report.neurobench.activation_sparsity_by_layer;
    let place =
        |name: &str| shown.report.populations.iter().position(|costs| costs.population == name).unwrap_or(0);
    let drawn: Vec<_> = layers
        .iter()
        .map(|layer| (layer.population.clone(), layer.sparsity * 100.0, place(&layer.population)))
        .collect();
    let numbers = Numbers {
        head: vec!["population", "sparsity_percent"],
        rows: drawn.iter().map(|(name, percent, _)| vec![name.clone(), percent.to_string()]).collect(),
    };
    let said = Said {
        name: "sparsity".into(),
        title: "Activation sparsity by population".into(),
        caption: "The share of pairs of neuron and step without a spike.".into(),
        x: "pairs of neuron and step without a spike (%)".into(),
        y: "population".into(),
    };
    bars(said, numbers, &drawn)
}

/// Bins of a histogram of rates at most.
const BINS: f64 = 24.0;

/// The width of bins up to so much: a round number, so that the axis has round numbers, too.
fn bin_width(most: f64) -> f64 {
    let least = if most > 0.0 { most / BINS } else { 1.0 / BINS };
    let decade = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|times| times * decade)
        .find(|width| *width >= least)
        .unwrap_or(least)
}

/// How often the neurons of each population fire.
fn rates(shown: &Shown<'_>) -> Result<Vec<Figure>, FigureError> {
    let steps = shown.evaluation.last().statistics.steps.max(1) as f64;
    let mut figures = vec![];
    for (id, counts) in shown.network.ids().zip(&shown.evaluation.neuron_spikes) {
        let neuron = shown.network.population(id).neuron();
        if neuron.is_read_out()
            || counts.is_empty()
            || (counts.iter().all(|&count| count == 0) && !neuron.has_potential())
        {
            continue;
        }
        let rates = counts.iter().map(|&count| count as f64 / steps);
        let most = rates.clone().fold(0.0, f64::max);
        let width = bin_width(most);
        // From 0 to the last bin; a rate at its end is in it. 24 at most.
        let bins = ((most / width).ceil() as usize).max(1);
        let edges: Vec<f64> = (0..=bins).map(|edge| edge as f64 * width).collect();
        let mut neurons = vec![0_u64; bins];
        for rate in rates {
            neurons[((rate / width) as usize).min(bins - 1)] += 1;
        }
        let name = shown.network.population(id).name();
        let silent = counts.iter().filter(|&&count| count == 0).count();
        let numbers = Numbers {
            head: vec!["rate_from", "rate_to", "neurons"],
            rows: edges
                .windows(2)
                .zip(&neurons)
                .map(|(edge, neurons)| vec![edge[0].to_string(), edge[1].to_string(), neurons.to_string()])
                .collect(),
        };
        let said = Said {
            name: format!("rates-{}-{}", id.index(), slug(name)),
            title: format!("Rates of {name}"),
            caption: format!("Of {} neurons, {silent} never fired in any sample.", counts.len()),
            x: "rate (spikes per step)".into(),
            y: "neurons".into(),
        };
        let bars: Vec<f64> = neurons.iter().map(|&neurons| neurons as f64).collect();
        let plot = Histogram::from_bins(edges, bars).with_color(series(id.index()));
        // Five numbers or so, each at the end of a bin.
        let apart = width * bins.div_ceil(5) as f64;
        let adjust = |layout: Layout| with_plain_x(layout.with_y_axis_min(0.0).with_x_tick_step(apart));
        figures.push(plots(said, numbers, vec![plot.into()], adjust, false)?);
    }
    Ok(figures)
}

/// Points of a figure of activations.
const POINTS: usize = 1200;

/// What the trained net's activations are, and what the rates say that they are.
fn activations(shown: &Shown<'_>) -> Result<Vec<Figure>, FigureError> {
    let figure = |of: &Activations| {
        let name = shown.network.population(of.population).name();
        // Evenly spread over samples and neurons.
        let apart = of.pairs.len().div_ceil(POINTS).max(1);
        let drawn: Vec<(f64, f64)> =
            of.pairs.iter().step_by(apart).map(|&[x, y]| (f64::from(x), f64::from(y))).collect();
        let error = of.pairs.iter().map(|[a, b]| f64::from((a - b).abs())).sum::<f64>()
            / of.pairs.len().max(1) as f64;
        let (least, most) = drawn
            .iter()
            .fold((0.0_f64, 0.0_f64), |(least, most), point| (least.min(point.0), most.max(point.0)));
        let numbers = Numbers {
            head: vec!["activation", "by_rate"],
            rows: drawn.iter().map(|(x, y)| vec![x.to_string(), y.to_string()]).collect(),
        };
        let said = Said {
            name: format!("activations-{}-{}", of.population.index(), slug(name)),
            title: format!("Activation against rate of {name}"),
            caption: format!(
                "{} of {} pairs of neuron and sample; mean absolute difference {error:.4}. The line is equality.",
                drawn.len(),
                of.pairs.len()
            ),
            x: "activation of the trained net (its unit)".into(),
            y: "rate as activation (the same)".into(),
        };
        let dots = ScatterPlot::new()
            .with_data(drawn)
            .with_color(series(of.population.index()))
            .with_size(2.0)
            .with_marker_opacity(0.5);
        let equal =
            kuva::prelude::LinePlot::new().with_data([(least, least), (most, most)]).with_color(series(7));
        plots(said, numbers, vec![dots.into(), equal.into()], |layout| layout, false)
    };
    shown.activations.iter().map(figure).collect()
}

/// Neurons of a population that a raster shows at most, and spikes of all of them.
const ROWS: usize = 60;
const DOTS: usize = 5_000;

/// The spikes of one sample.
fn raster(shown: &Shown<'_>) -> Result<Figure, FigureError> {
    let fires = |id: &PopulationId| !shown.network.population(*id).neuron().is_read_out();
    // Inputs that come as currents fire no spikes.
    let sources = |id: &PopulationId| {
        let spikes = shown.look.raster.get(id.index()).is_some_and(|raster| !raster.neurons().is_empty());
        shown.network.population(*id).neuron().has_potential() || spikes
    };
    let ids: Vec<PopulationId> = shown.network.ids().filter(fires).filter(sources).collect();
    let mut most = ROWS;
    let chosen = loop {
        let chosen = spikes_of(shown, &ids, most);
        let dots: usize = chosen.iter().map(Vec::len).sum();
        if dots <= DOTS || most <= 4 {
            break chosen;
        }
        most /= 2;
    };
    let mut drawn: Vec<Plot> = vec![];
    let mut rows = vec![];
    let mut base = 0;
    for (id, spikes) in ids.iter().zip(&chosen) {
        let population = shown.network.population(*id);
        let apart = population.size().div_ceil(most).max(1);
        let points =
            spikes.iter().map(|&(step, neuron)| (f64::from(step) + 1.0, (base + neuron / apart) as f64));
        if !spikes.is_empty() {
            let plot = ScatterPlot::new().with_data(points).with_color(series(id.index())).with_size(1.6);
            drawn.push(plot.with_legend(short(population.name())).into());
        }
        let name = population.name();
        rows.extend(
            spikes.iter().map(|(step, neuron)| vec![name.to_owned(), step.to_string(), neuron.to_string()]),
        );
        base += population.size().div_ceil(apart);
    }
    if drawn.is_empty() {
        // Axes without spikes: a sample without any.
        drawn.push(ScatterPlot::new().with_data([(1.0, 0.0)]).with_size(0.0).into());
    }
    let said = Said {
        name: "raster".into(),
        title: format!("Spikes of sample {}", shown.look.samples.start),
        caption: format!(
            "At most {most} neurons of each population, evenly chosen, one population above the other."
        ),
        x: "step".into(),
        y: "neuron (row)".into(),
    };
    let numbers = Numbers { head: vec!["population", "step", "neuron"], rows };
    plots(
        said,
        numbers,
        drawn,
        |layout| layout.with_x_axis_min(0.0).with_x_axis_max(f64::from(shown.look.steps) + 1.0),
        true,
    )
}

/// By population, the spikes of at most so many of its neurons: (step from 0, neuron).
fn spikes_of(shown: &Shown<'_>, ids: &[PopulationId], most: usize) -> Vec<Vec<(u32, usize)>> {
    let of = |id: &PopulationId| {
        let apart = shown.network.population(*id).size().div_ceil(most).max(1);
        let Some(raster) = shown.look.raster.get(id.index()) else { return vec![] };
        let steps = 0..raster.steps().min(shown.look.steps as usize);
        let at = |step: usize| {
            let chosen = raster.step(step).iter().map(|&neuron| neuron as usize);
            // Steps are below 2^32, as the run's number of them is.
            chosen.filter(move |neuron| neuron.is_multiple_of(apart)).map(move |neuron| (step as u32, neuron))
        };
        steps.flat_map(at).collect()
    };
    ids.iter().map(of).collect()
}

/// Energies by preset and rival, and what those of each preset consist of.
fn energies(shown: &Shown<'_>) -> Result<Vec<Figure>, FigureError> {
    let report = shown.report;
    let mut all = vec![];
    for (place, energy) in report.energy.iter().enumerate() {
        all.push((format!("spiking, {}", energy.preset), energy.nanojoules, place));
    }
    for rival in &report.rivals {
        all.push((rival.name.clone(), rival.nanojoules, 7));
    }
    let mut figures = vec![];
    if !all.is_empty() {
        let numbers = Numbers {
            head: vec!["what", "nanojoules"],
            rows: all.iter().map(|(name, energy, _)| vec![name.clone(), energy.to_string()]).collect(),
        };
        let sources: Vec<&str> = report.energy.iter().map(|energy| &energy.source[..]).collect();
        let said = Said {
            name: "energy".into(),
            title: "Energy beside the trained net".into(),
            caption: format!(
                "{}. The trained net's, in grey: arithmetic only, so not to be held against presets that count memory.",
                sources.join("; ")
            ),
            x: "energy (nJ per sample)".into(),
            y: "what computes".into(),
        };
        figures.push(bars(said, numbers, &all)?);
    }
    for energy in &report.energy {
        let parts: Vec<_> = energy
            .terms
            .iter()
            .enumerate()
            .map(|(place, term)| (term.operation.to_owned(), term.count * term.picojoules / 1e3, place))
            .collect();
        let numbers = Numbers {
            head: vec!["operation", "number", "picojoules_each", "nanojoules"],
            rows: energy
                .terms
                .iter()
                .zip(&parts)
                .map(|(term, (_, sum, _))| {
                    vec![
                        term.operation.to_owned(),
                        term.count.to_string(),
                        term.picojoules.to_string(),
                        sum.to_string(),
                    ]
                })
                .collect(),
        };
        let said = Said {
            name: format!("energy-{}", slug(&energy.preset)),
            title: format!("Energy by operation, {}", energy.preset),
            caption: format!("{}.", energy.source),
            x: "energy (nJ per sample)".into(),
            y: "operation".into(),
        };
        figures.push(bars(said, numbers, &parts)?);
    }
    Ok(figures)
}

/// What the conversion lost, layer by layer, if the network's file tells.
fn loss(shown: &Shown<'_>) -> Result<Vec<Figure>, FigureError> {
    const PARTS: [&str; 4] = ["clipping", "quantisation", "before", "rest"];
    let layers = shown.conversion.and_then(|report| report["layers"].as_array());
    let told: Vec<(String, Vec<f64>, f64)> = layers
        .into_iter()
        .flatten()
        .filter_map(|layer| {
            let (name, loss) = (layer["name"].as_str()?, layer.get("loss")?.as_object()?);
            let part = |part: &str| loss.get(part).and_then(serde_json::Value::as_f64).unwrap_or(0.0);
            Some((name.to_owned(), PARTS.map(part).to_vec(), part("error")))
        })
        .collect();
    if told.is_empty() {
        return differences(shown);
    }
    let drawn: Vec<_> = told
        .iter()
        .map(|(name, parts, _)| (name.clone(), parts.iter().map(|part| part.max(0.0) * 100.0).collect()))
        .collect();
    let numbers = Numbers {
        head: ["layer", "error"].into_iter().chain(PARTS).collect(),
        rows: told
            .iter()
            .map(|(name, parts, error)| {
                let mut row = vec![name.clone(), error.to_string()];
                row.extend(parts.iter().map(f64::to_string));
                row
            })
            .collect(),
    };
    let said = Said {
        name: "loss".into(),
        title: "What the conversion lost, layer by layer".into(),
        caption: "Mean absolute differences from the trained net on calibration samples, by cause; \
                  parts below 0 are in the table only."
            .into(),
        x: "mean difference (% of the largest activation that is expressed)".into(),
        y: "layer".into(),
    };
    Ok(vec![stacked(said, numbers, &PARTS, &drawn)?])
}

/// By how much rates differ from activations, layer by layer, on the samples that were looked at.
fn differences(shown: &Shown<'_>) -> Result<Vec<Figure>, FigureError> {
    let difference = |of: &Activations| {
        let sum = |of: &dyn Fn(&[f32; 2]) -> f32, pairs: &[[f32; 2]]| {
            pairs.iter().map(|pair| f64::from(of(pair))).sum::<f64>()
        };
        let (errors, all) = (sum(&|[a, b]| (a - b).abs(), &of.pairs), sum(&|[a, _]| a.abs(), &of.pairs));
        let share = if all > 0.0 { errors / all * 100.0 } else { 0.0 };
        (shown.network.population(of.population).name().to_owned(), share, of.population.index())
    };
    let drawn: Vec<_> = shown.activations.iter().map(difference).collect();
    if drawn.is_empty() {
        return Ok(vec![]);
    }
    let numbers = Numbers {
        head: vec!["layer", "difference_percent"],
        rows: drawn.iter().map(|(name, share, _)| vec![name.clone(), share.to_string()]).collect(),
    };
    let said = Said {
        name: "loss".into(),
        title: "What the conversion lost, layer by layer".into(),
        caption: format!(
            "The sum of the differences of activations and rates over the sum of activations, on {} samples of this run.",
            shown.look.samples.len()
        ),
        x: "difference of rates (% of the activations)".into(),
        y: "layer".into(),
    };
    Ok(vec![bars(said, numbers, &drawn)?])
}
