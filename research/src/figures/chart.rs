use std::sync::Arc;

use kuva::PdfBackend;
use kuva::backend::svg::SvgBackend;
use kuva::prelude::{BarPlot, Layout, LegendPosition, LinePlot, Plot, ScatterPlot, Theme, TickFormat};
use kuva::render::render::{Primitive, render_multiple};

use super::{Figure, FigureError};

/// A colour of the figures, by its purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    /// The name of its variable in a style sheet.
    pub name: &'static str,
    /// On white; in figures it stands for this purpose only.
    pub light: &'static str,
    /// On black.
    pub dark: &'static str,
}

const fn colour(name: &'static str, light: &'static str, dark: &'static str) -> Colour {
    Colour { name, light, dark }
}

/// All colours of the figures: paper, ink, axes and grid, then those of the series.
pub const PALETTE: [Colour; 12] = [
    colour("paper", "#ffffff", "#15181c"),
    colour("ink", "#1b1f24", "#e4e8ec"),
    colour("axis", "#59616b", "#98a2ad"),
    colour("grid", "#e1e5ea", "#2c323a"),
    colour("series-1", "#1f6fb4", "#69aeee"),
    colour("series-2", "#c2570c", "#f2954a"),
    colour("series-3", "#238352", "#55c58a"),
    colour("series-4", "#7d4fc0", "#b594f2"),
    colour("series-5", "#bb2d42", "#f2727f"),
    colour("series-6", "#0f7e8c", "#4cc4d3"),
    colour("series-7", "#876a1c", "#d1ad57"),
    colour("series-8", "#646d77", "#a7b0ba"),
];

/// The colour of the series of this place; there are eight, and then the first again.
pub(super) fn series(place: usize) -> &'static str {
    PALETTE[4 + place % 8].light
}

/// The size of a figure, in pixels of CSS and points of PDF: two stand side by side on a page, one fills a telephone.
const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 300.0;
const MARGIN: f64 = 12.0;

/// A line with a band around it.
pub(super) struct Line {
    pub label: String,
    /// x, y, and the ends of the band.
    pub points: Vec<[f64; 4]>,
    /// Whether it only marks what others are compared with.
    pub is_mark: bool,
}

/// What a figure is called and what its axes are, with units.
pub(super) struct Said {
    pub name: String,
    pub title: String,
    pub caption: String,
    pub x: String,
    pub y: String,
}

/// The numbers behind a figure.
pub(super) struct Numbers {
    pub head: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

fn theme() -> Theme {
    let [paper, ink, axis, grid, ..] = PALETTE.map(|colour| colour.light.to_owned());
    Theme {
        background: paper.clone(),
        axis_color: axis.clone(),
        grid_color: grid.clone(),
        tick_color: axis,
        text_color: ink,
        legend_bg: paper,
        legend_border: grid,
        ..Theme::light()
    }
}

/// Draws lines with their bands; the x axis is logarithmic where the points span much.
pub(super) fn lines(said: Said, numbers: Numbers, lines: &[Line]) -> Result<Figure, FigureError> {
    let mut plots: Vec<Plot> = vec![];
    for (place, line) in lines.iter().enumerate() {
        let of = |at: usize| line.points.iter().map(move |point| point[at]);
        let mut plot = LinePlot::new()
            .with_data(of(0).zip(of(1)))
            // The band takes the colour of the line.
            .with_color(series(place))
            .with_band(of(2), of(3))
            .with_stroke_width(2.0);
        if lines.len() > 1 {
            plot = plot.with_legend(&line.label);
        }
        if line.is_mark {
            plot = plot.with_dashed();
        }
        plots.push(plot.into());
        if !line.is_mark && line.points.len() <= 24 {
            let mut dots =
                ScatterPlot::new().with_data(of(0).zip(of(1))).with_color(series(place)).with_size(2.5);
            if line.points.len() == 1 {
                // A single point has no band.
                dots = dots
                    .with_y_err_asymmetric(line.points.iter().map(|[_, y, low, high]| (y - low, high - y)));
            }
            plots.push(dots.into());
        }
    }
    let x = || lines.iter().filter(|line| !line.is_mark).flat_map(|line| &line.points).map(|point| point[0]);
    let (least, most) = (x().fold(f64::INFINITY, f64::min), x().fold(0.0, f64::max));
    let mut layout = Layout::auto_from_plots(&plots);
    if least > 0.0 && most / least >= 16.0 {
        // From the first to the last point: whole decades would leave half of the figure empty.
        layout = layout.with_log_x().with_x_axis_min(least / 1.1).with_x_axis_max(most * 1.1);
    }
    finish(said, numbers, plots, with_plain_x(layout), HEIGHT, lines.len() > 1)
}

/// Draws one horizontal bar for each label, of the colour of its place among the series.
pub(super) fn bars(
    said: Said,
    numbers: Numbers,
    bars: &[(String, f64, usize)],
) -> Result<Figure, FigureError> {
    // The first at the top.
    let names = names(bars.iter().map(|(label, ..)| &label[..]));
    let rows = bars.iter().zip(names).rev();
    let rows = rows.map(|((_, value, place), name)| (name, *value, series(*place)));
    let plots: Vec<Plot> = vec![BarPlot::new().with_colored_bars(rows).with_horizontal(true).into()];
    let layout = Layout::auto_from_plots(&plots).with_x_axis_min(0.0);
    finish(said, numbers, plots, layout, 110.0 + 30.0 * bars.len() as f64, false)
}

/// Draws one horizontal bar for each label, of parts that are named by `parts`.
pub(super) fn stacked(
    said: Said,
    numbers: Numbers,
    parts: &[&str],
    bars: &[(String, Vec<f64>)],
) -> Result<Figure, FigureError> {
    let mut plot = BarPlot::new();
    let names = names(bars.iter().map(|(label, _)| &label[..]));
    for ((_, values), name) in bars.iter().zip(names).rev() {
        let parts = values.iter().enumerate().map(|(place, &value)| (value, series(place)));
        plot = plot.with_group(name, parts.collect::<Vec<_>>());
    }
    let plots: Vec<Plot> = vec![plot.with_legend(parts.to_vec()).with_stacked().with_horizontal(true).into()];
    let layout = Layout::auto_from_plots(&plots);
    finish(said, numbers, plots, layout, 110.0 + 30.0 * bars.len() as f64, true)
}

/// Draws any plots.
pub(super) fn plots(
    said: Said,
    numbers: Numbers,
    plots: Vec<Plot>,
    adjust: impl FnOnce(Layout) -> Layout,
    legend: bool,
) -> Result<Figure, FigureError> {
    let layout = adjust(Layout::auto_from_plots(&plots));
    finish(said, numbers, plots, layout, HEIGHT, legend)
}

fn finish(
    said: Said,
    numbers: Numbers,
    plots: Vec<Plot>,
    layout: Layout,
    height: f64,
    legend: bool,
) -> Result<Figure, FigureError> {
    let mut layout = layout
        .with_theme(theme())
        .with_width(WIDTH - MARGIN)
        .with_height(height)
        .with_x_label(&said.x)
        .with_y_label(&said.y)
        .with_label_size(14)
        .with_tick_size(13)
        .with_body_size(13);
    if legend {
        layout = layout.with_legend_position(LegendPosition::OutsideBottomColumns).with_legend_box(false);
    }
    let mut scene = render_multiple(plots, layout);
    // The number at the end of an axis may be wider than the margin that the library leaves for it.
    scene.width += MARGIN;
    // As high as the text in it: the library's own estimate of the legend's rows cuts the last one, or leaves room for another.
    let lowest = scene.elements.iter().filter_map(|element| match element {
        Primitive::Text { y, .. } => Some(*y),
        _ => None,
    });
    scene.height = lowest.fold(0.0, f64::max) + MARGIN;
    let csv = numbers.csv().map_err(|why| FigureError::Table { figure: said.name.clone(), why })?;
    let pdf = PdfBackend::new()
        .render_scene(&scene)
        .map_err(|why| FigureError::Pdf { figure: said.name.clone(), why })?;
    let svg = placed(&SvgBackend::new().render_scene(&scene), &said.name, scene.width, scene.height);
    Ok(Figure { name: said.name, title: said.title, caption: said.caption, svg, pdf, csv })
}

/// The drawing for a page that has others: it scales, and its names are its own. The library numbers clips over all drawings of a
/// process; here each begins with 0, so that a figure is the same wherever it is drawn.
fn placed(svg: &str, name: &str, width: f64, height: f64) -> String {
    let mut parts = svg.split("kuva-clip-");
    let mut text = parts.next().unwrap_or_default().replacen(
        "<svg ",
        &format!("<svg viewBox=\"0 0 {width} {height}\" "),
        1,
    );
    let mut numbers: Vec<&str> = vec![];
    for part in parts {
        let (number, rest) =
            part.split_at(part.find(|one: char| !one.is_ascii_digit()).unwrap_or(part.len()));
        let place = numbers.iter().position(|other| *other == number).unwrap_or_else(|| {
            numbers.push(number);
            numbers.len() - 1
        });
        text += &format!("{name}-clip-{place}{rest}");
    }
    text
}

/// The unit in which large numbers are short: what they are divided by, and its name.
pub(super) fn unit(most: f64) -> (f64, &'static str) {
    match most {
        most if most >= 1e7 => (1e6, "millions "),
        most if most >= 1e4 => (1e3, "thousands "),
        _ => (1.0, ""),
    }
}

/// With plain numbers on the x axis.
pub(super) fn with_plain_x(layout: Layout) -> Layout {
    layout.with_x_tick_format(TickFormat::Custom(Arc::new(plain)))
}

/// A number on an axis, with at most three digits that count.
fn plain(number: f64) -> String {
    if number == 0.0 {
        return "0".into();
    }
    let before = number.abs().log10().floor() as i32;
    // Numbers on axes have far fewer digits than a text takes.
    let digits = usize::try_from(2 - before).unwrap_or(0).min(12);
    let text = format!("{number:.digits$}");
    if digits == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

/// Labels for the bars of a figure, short and all different.
fn names<'a>(labels: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let told: Vec<String> = labels.clone().map(|label| short(&told(label))).collect();
    let distinct: std::collections::BTreeSet<&String> = told.iter().collect();
    if distinct.len() == told.len() { told } else { labels.map(short).collect() }
}

/// What a name of exporters tells: without the operator at its end, and without what a part of the path repeats of the one before:
/// `/blocks/blocks.1/blocks.1.0/act1/Relu` is `blocks.1.0/act1`.
fn told(name: &str) -> String {
    let mut parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
    let is_operator =
        |part: &str| part.chars().all(char::is_alphanumeric) && part.starts_with(char::is_uppercase);
    if parts.len() > 1 && parts.last().is_some_and(|last| is_operator(last)) {
        parts.pop();
    }
    let repeated = |place: usize| {
        parts.get(place + 1).is_some_and(|next| next.starts_with(&format!("{}.", parts[place])))
    };
    (0..parts.len()).filter(|&place| !repeated(place)).map(|place| parts[place]).collect::<Vec<_>>().join("/")
}

/// The end of a name that is too long for an axis.
pub(super) fn short(name: &str) -> String {
    const LONGEST: usize = 22;
    let length = name.chars().count();
    if length <= LONGEST {
        return name.to_owned();
    }
    let end: String = name.chars().skip(length - LONGEST + 1).collect();
    format!("…{end}")
}

/// A name with only what file names and style sheets take.
pub(super) fn slug(text: &str) -> String {
    let plain = |character: char| if character.is_ascii_alphanumeric() { character } else { '-' };
    let text: String = text.chars().map(plain).collect();
    text.trim_matches('-').to_ascii_lowercase()
}

impl Numbers {
    fn csv(&self) -> csv::Result<String> {
        let mut writer = csv::Writer::from_writer(vec![]);
        writer.write_record(&self.head)?;
        for row in &self.rows {
            writer.write_record(row)?;
        }
        let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_all_different_so_that_each_stands_for_one_purpose() {
        for (place, colour) in PALETTE.iter().enumerate() {
            let others = &PALETTE[..place];
            assert!(
                others.iter().all(|other| other.light != colour.light && other.name != colour.name),
                "{colour:?}"
            );
        }
    }

    #[test]
    fn numbers_on_axes_have_three_digits_that_count() {
        let numbers = [0.0, 0.1, 0.25, 1.0, 16.0, 1234.0, 0.001_25, -2.5, 1e6, 99.96];
        let texts = ["0", "0.1", "0.25", "1", "16", "1234", "0.00125", "-2.5", "1000000", "100"];
        assert_eq!(numbers.map(plain), texts);
    }

    #[test]
    fn bars_are_named_by_what_their_names_tell_and_are_all_different() {
        let made = |labels: &[&str]| names(labels.iter().copied());
        assert_eq!(
            made(&["/blocks/blocks.1/blocks.1.0/act1/Relu", "/conv_stem/Conv", "hidden"]),
            ["blocks.1.0/act1", "conv_stem", "hidden"]
        );
        assert_eq!(made(&["/a/Relu", "/a/Add"]), ["/a/Relu", "/a/Add"]);
        assert_eq!(made(&["pruned net, int8", "T = 4"]), ["pruned net, int8", "T = 4"]);
    }

    #[test]
    fn a_single_point_has_its_interval() {
        let said = || Said {
            name: "a".into(),
            title: "Title".into(),
            caption: String::new(),
            x: "T (steps)".into(),
            y: "accuracy (%)".into(),
        };
        let drawn = |points: Vec<[f64; 4]>| {
            let line = Line { label: "a".into(), points, is_mark: false };
            lines(said(), Numbers { head: vec!["T"], rows: vec![] }, &[line]).unwrap().svg
        };
        let (without, with) = (drawn(vec![[4.0, 90.0, 90.0, 90.0]]), drawn(vec![[4.0, 90.0, 80.0, 95.0]]));
        assert!(with != without && with.matches("<line").count() + with.matches("<path").count() > 0);
    }

    #[test]
    fn long_names_are_told_by_their_ends_and_names_of_files_are_plain() {
        assert_eq!(short("relu1"), "relu1");
        assert_eq!(short("/features/block/12/relu/Relu"), "…es/block/12/relu/Relu");
        assert_eq!(short("/features/block/12/relu/Relu").chars().count(), 22);
        assert_eq!(slug("/features/12/Relu_0"), "features-12-relu-0");
    }

    #[test]
    fn no_entry_of_a_legend_is_cut_off() {
        for entries in 2..14 {
            let said = Said {
                name: "a".into(),
                title: "Title".into(),
                caption: String::new(),
                x: "T (steps)".into(),
                y: "accuracy (%)".into(),
            };
            let numbers = Numbers { head: vec!["T"], rows: vec![] };
            let line = |entry: usize| Line {
                label: format!("T = {entry}, the trained net"),
                points: vec![[1.0, 50.0, 40.0, 60.0], [3.0, 90.0, 85.0, 93.0]],
                is_mark: false,
            };
            let drawn: Vec<Line> = (0..entries).map(line).collect();
            let figure = lines(said, numbers, &drawn).unwrap();
            let height =
                figure.svg.split(" height=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
            let height: f64 = height.parse().unwrap();
            let texts: Vec<&str> = figure.svg.split("<text ").skip(1).collect();
            assert_eq!(texts.iter().filter(|text| text.contains("the trained net")).count(), entries);
            for text in texts {
                let y = text.split("y=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
                assert!(
                    y.parse::<f64>().unwrap() <= height - 5.0,
                    "{entries} entries: {text} below {height}"
                );
            }
        }
    }

    #[test]
    fn drawings_on_one_page_do_not_share_names() {
        let line = |name: &str| {
            let said = Said {
                name: name.into(),
                title: "Title".into(),
                caption: String::new(),
                x: "T (steps)".into(),
                y: "accuracy (%)".into(),
            };
            let numbers = Numbers { head: vec!["T", "accuracy"], rows: vec![vec!["1".into(), "2".into()]] };
            let points = vec![[1.0, 50.0, 40.0, 60.0], [32.0, 90.0, 85.0, 93.0]];
            lines(said, numbers, &[Line { label: "a".into(), points, is_mark: false }]).unwrap()
        };
        let (first, second) = (line("first"), line("second"));
        assert_eq!(line("first").svg, first.svg);
        assert!(
            !first.svg.contains("kuva-clip") && first.svg.contains("id=\"first-clip-0\""),
            "{}",
            first.svg
        );
        for (figure, own) in [(&first, "url(#first-clip-"), (&second, "url(#second-clip-")] {
            assert_eq!(
                figure.svg.matches("url(#").count(),
                figure.svg.matches(own).count(),
                "{}",
                figure.svg
            );
        }
        for wanted in ["T (steps)", "accuracy (%)", "viewBox=\"0 0 460 "] {
            assert!(first.svg.contains(wanted), "no {wanted:?} in {}", first.svg);
        }
        assert!(first.pdf.starts_with(b"%PDF"));
        assert_eq!(first.csv, "T,accuracy\n1,2\n");
    }
}
