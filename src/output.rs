//! What the commands print: tables for people, JSON for programs.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::builder::{PathBufValueParser, TypedValueParser};
use serde::Serialize;
use snn_formats::{OutputError, Part, check_outputs};

use crate::commands::Usage;

/// Writes to standard output.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Writes what the user should know to standard error, a line each.
pub fn notes(notes: &[String]) {
    for note in notes {
        eprintln!("note: {note}");
    }
}

/// Whether an error says only that nobody reads our output any more, as in `snn-event … | head`.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// A file that a flag names, to be read or written.
pub type Named<'a> = (&'a str, Option<&'a Path>);

/// The flags whose files may be standard output.
const REPORTS: [&str; 2] = ["--json", "--report"];

/// Refuses, before any work, outputs that are one file with an input or another output, or that cannot be written.
/// Reports that go to standard output (`-`) are no files.
pub fn check(inputs: &[Named<'_>], outputs: &[Named<'_>]) -> Result<()> {
    fn parts<'a>(named: &[Named<'a>]) -> Vec<Part<'a>> {
        named.iter().filter_map(|&(name, path)| Some(Part { name, path: path? })).collect()
    }
    let mut outputs = parts(outputs);
    outputs.retain(|part| !wants_only_json(Some(part.path)));
    match check_outputs(&parts(inputs), &outputs) {
        Err(OutputError::Shared(shared)) => Err(Usage(shared.to_string()).into()),
        Err(OutputError::Unwritable(error)) => {
            let is_device =
                std::fs::metadata(&error.path).is_ok_and(|found| !found.is_file() && !found.is_dir());
            let is_report =
                outputs.iter().any(|part| part.path == error.path && REPORTS.contains(&part.name));
            Err(if is_device && is_report {
                anyhow::anyhow!("{error}, or - for standard output")
            } else {
                error.into()
            })
        }
        Ok(()) => Ok(()),
    }
}

/// The name of a file on the command line. Standard input and output have no name here.
pub fn file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| {
        if path == Path::new("-") {
            return Err(
                "standard input and output are not used here; give the name of a file (./- for one called -)",
            );
        }
        Ok(path)
    })
}

/// Where a report for programs goes: `-` is standard output.
pub fn wants_only_json(json: Option<&Path>) -> bool {
    json == Some(Path::new("-"))
}

/// Writes a report as JSON to a file, complete or not at all, or to standard output for `-`.
pub fn write_json(path: &Path, report: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(report).context("the report cannot be written as JSON")?;
    text.push('\n');
    if path == Path::new("-") {
        return print(&text);
    }
    let mut file = snn_formats::AtomicFile::create(path)?;
    file.write_all(text.as_bytes()).with_context(|| format!("{}: cannot be written", path.display()))?;
    file.commit()?;
    Ok(())
}

/// A whole number with separators: `12,345`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with separators and so many digits behind the point: `12,345.6`.
pub fn decimal(number: f64, digits: usize) -> String {
    let text = format!("{:.digits$}", number.abs());
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let sign = if number < 0.0 { "-" } else { "" };
    match whole.parse() {
        Ok(whole) => format!("{sign}{}{fraction}", count(whole)),
        // Not finite, or beyond 2^64.
        Err(_) => format!("{number:.digits$}"),
    }
}

/// A number of things: `1 thread`, `2 threads`, `1,000 samples`.
pub fn counted(number: usize, one: &str) -> String {
    format!("{} {one}{}", count(number as u64), if number == 1 { "" } else { "s" })
}

/// A duration in the unit in which it has one to three digits before the point.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.2} ms", s * 1e3),
        s => format!("{:.1} µs", s * 1e6),
    }
}

/// A share of one as per cent.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// A number of bytes in the largest unit that leaves at least one.
pub fn bytes(number: u64) -> String {
    match number {
        n if n >= 1 << 30 => format!("{:.2} GiB", n as f64 / f64::from(1 << 30)),
        n if n >= 1 << 20 => format!("{:.2} MiB", n as f64 / f64::from(1 << 20)),
        n if n >= 1 << 10 => format!("{:.2} KiB", n as f64 / f64::from(1 << 10)),
        n => format!("{n} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated_and_one_is_no_plural() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(decimal(1_234_567.89, 1), "1,234,567.9");
        assert_eq!(decimal(-999.96, 1), "-1,000.0");
        assert_eq!(decimal(12.0, 0), "12");
        assert_eq!(
            [0, 1, 2, 1000].map(|n| counted(n, "thread")),
            ["0 threads", "1 thread", "2 threads", "1,000 threads"]
        );
    }
}
