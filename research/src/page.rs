use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::figures::{Figure, PALETTE};

/// A page that needs nothing but itself: figures, tables and texts in one HTML file, without scripts.
///
/// It follows the reader's choice of light or dark, prints light, and fits telephones. Every figure brings its SVG, its PDF
/// and its numbers as CSV, as links to themselves.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// The most important in a sentence or two.
    pub summary: String,
    /// Its parts, in order.
    pub sections: Vec<Section>,
}

/// A part of a page.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Its title.
    pub title: String,
    /// A sentence under it; may be empty.
    pub text: String,
    /// Its figures.
    pub figures: Vec<Figure>,
    /// Its tables.
    pub tables: Vec<Table>,
    /// Text in the form in which it is; may be empty.
    pub verbatim: String,
}

/// A table of texts.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The heads of its columns.
    pub head: Vec<String>,
    /// Its rows; columns after the first are numbers.
    pub rows: Vec<Vec<String>>,
}

impl Page {
    /// The page as HTML.
    #[must_use]
    pub fn html(&self) -> String {
        let title = escaped(&self.title);
        let mut html = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n\
             <title>{title}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n<p class=\"summary\">{}</p>\n",
            style(),
            escaped(&self.summary)
        );
        for section in &self.sections {
            html += &section.html();
        }
        html + "</main>\n</body>\n</html>\n"
    }

    /// All figures, in order.
    pub fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.sections.iter().flat_map(|section| &section.figures)
    }
}

impl Section {
    fn html(&self) -> String {
        let mut html = format!("<section>\n<h2>{}</h2>\n", escaped(&self.title));
        if !self.text.is_empty() {
            html += &format!("<p>{}</p>\n", escaped(&self.text));
        }
        if !self.figures.is_empty() {
            html += "<div class=\"figures\">\n";
            self.figures.iter().for_each(|figure| html += &of_figure(figure));
            html += "</div>\n";
        }
        self.tables.iter().for_each(|table| html += &table.html());
        if !self.verbatim.is_empty() {
            html += &format!("<pre>{}</pre>\n", escaped(&self.verbatim));
        }
        html + "</section>\n"
    }
}

impl Table {
    fn html(&self) -> String {
        let cells = |cells: &[String], kind: &str| -> String {
            cells.iter().map(|cell| format!("<{kind}>{}</{kind}>", escaped(cell))).collect()
        };
        let mut html = format!(
            "<div class=\"wide\"><table>\n<thead><tr>{}</tr></thead>\n<tbody>\n",
            cells(&self.head, "th")
        );
        for row in &self.rows {
            html += &format!("<tr>{}</tr>\n", cells(row, "td"));
        }
        html + "</tbody>\n</table></div>\n"
    }
}

fn of_figure(figure: &Figure) -> String {
    let title = escaped(&figure.title);
    let label = format!("<svg role=\"img\" aria-label=\"{title}\" ");
    let link = |ending: &str, kind: &str, bytes: &[u8]| {
        format!(
            "<a download=\"{0}.{ending}\" href=\"data:{kind};base64,{1}\" aria-label=\"{title} as {2}\">{2}</a>",
            escaped(&figure.name),
            BASE64_STANDARD.encode(bytes),
            ending.to_uppercase()
        )
    };
    format!(
        "<figure id=\"{}\">\n<figcaption><strong>{title}</strong></figcaption>\n{}\n<p>{}</p>\n<p class=\"links\">{} {} {}</p>\n</figure>\n",
        escaped(&figure.name),
        figure.svg.replacen("<svg ", &label, 1),
        escaped(&figure.caption),
        link("svg", "image/svg+xml", figure.svg.as_bytes()),
        link("pdf", "application/pdf", &figure.pdf),
        link("csv", "text/csv;charset=utf-8", figure.csv.as_bytes()),
    )
}

/// A text with the characters that HTML gives a meaning replaced.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The style sheet: the drawings keep their light colours, and are recoloured by purpose.
fn style() -> String {
    let variables = |of: fn(&crate::figures::Colour) -> &'static str| -> String {
        PALETTE.iter().map(|colour| format!("--{}:{};", colour.name, of(colour))).collect()
    };
    let (light, dark) = (variables(|colour| colour.light), variables(|colour| colour.dark));
    let mut style = format!(
        ":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{}",
        include_str!("page.css")
    );
    for colour in PALETTE {
        for what in ["fill", "stroke"] {
            style += &format!("figure [{what}=\"{}\"]{{{what}:var(--{})}}\n", colour.light, colour.name);
        }
    }
    style
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_names_hold_is_text() {
        let hostile = "<script>alert('\"&')</script>";
        let figure = Figure {
            name: "a".into(),
            title: hostile.into(),
            caption: hostile.into(),
            svg: "<svg viewBox=\"0 0 1 1\"></svg>".into(),
            pdf: b"%PDF".to_vec(),
            csv: "x\n1\n".into(),
        };
        let table = Table { head: vec![hostile.into()], rows: vec![vec![hostile.into()]] };
        let section = Section {
            title: hostile.into(),
            text: hostile.into(),
            figures: vec![figure],
            tables: vec![table],
            verbatim: hostile.into(),
        };
        let page = Page { title: hostile.into(), summary: hostile.into(), sections: vec![section] };
        let html = page.html();
        assert!(!html.contains("<script") && html.contains("&lt;script&gt;alert(&#39;&quot;&amp;"), "{html}");
        assert!(html.contains("href=\"data:text/csv;charset=utf-8;base64,eAoxCg==\""));
    }
}
