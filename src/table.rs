//! Tables for people: names to the left, numbers to the right, in the 80 columns of a terminal.

use comfy_table::{CellAlignment, Table, presets};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The columns that a table takes at most.
pub const WIDTH: usize = 80;
/// Blanks beside the content of a column.
const PADDING: usize = 2;
/// The columns to which a name is shortened at most.
const SHORTEST_NAME: usize = 16;

/// A table with a name in the first column and numbers in the others; heads may have lines. Names that are too long lose
/// their middle; a table that is still too wide is continued below, with the names again. Numbers are never cut.
pub fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(String::as_str);
        let lines = cells.chain([head[column]]).flat_map(str::lines);
        lines.map(UnicodeWidthStr::width).max().unwrap_or(0) + PADDING
    };
    let natural = width(0);
    let others: Vec<usize> = (1..head.len()).map(width).collect();
    let least = natural.min(SHORTEST_NAME + PADDING);
    let whole: usize = others.iter().sum();
    // The columns of each part, and the room that they leave for the names.
    let mut parts: Vec<(Vec<usize>, usize)> = vec![];
    if least + whole <= WIDTH {
        parts.push(((1..head.len()).collect(), natural.min(WIDTH - whole)));
    } else {
        for (column, width) in (1..).zip(others) {
            match parts.last_mut() {
                Some((columns, room)) if *room >= least + width => {
                    columns.push(column);
                    *room -= width;
                }
                _ => parts.push((vec![column], WIDTH.saturating_sub(width).max(least))),
            }
        }
    }
    let parts: Vec<String> =
        parts.into_iter().map(|(columns, room)| part(head, &rows, &columns, room - PADDING)).collect();
    parts.join("\n\n")
}

fn part(head: &[&str], rows: &[Vec<String>], columns: &[usize], name: usize) -> String {
    let shown = |cells: &dyn Fn(usize) -> String| -> Vec<String> {
        std::iter::once(shortened(&cells(0), name))
            .chain(columns.iter().map(|&column| cells(column)))
            .collect()
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(shown(&|column| head[column].to_owned()));
    for row in rows {
        table.add_row(shown(&|column| row.get(column).cloned().unwrap_or_default()));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines: Vec<String> = table.to_string().lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// The text in at most so many columns, its middle left out if it is longer.
fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let fitting = |characters: &mut dyn Iterator<Item = char>, mut room: usize| -> Vec<char> {
        characters
            .take_while(|character| {
                let taken = character.width().unwrap_or(0);
                let fits = taken <= room;
                room = room.saturating_sub(taken);
                fits
            })
            .collect()
    };
    let end = fitting(&mut text.chars().rev(), room.div_ceil(2));
    let start = fitting(&mut text.chars(), room / 2);
    start.into_iter().chain(['…']).chain(end.into_iter().rev()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_table_that_fits_is_one_and_shows_everything() {
        let rows =
            vec![vec!["layer1".to_owned(), "1,200".to_owned()], vec!["output".to_owned(), "10".to_owned()]];
        assert_eq!(
            table(&["population", "neurons"], rows),
            " population  neurons\n layer1        1,200\n output           10"
        );
    }

    #[test]
    fn a_long_name_keeps_its_beginning_and_its_end() {
        assert_eq!(shortened("/features/features.0/Relu", 12), "/feat…0/Relu");
        assert_eq!(shortened("short", 5), "short");
        // Wide characters take two columns each.
        assert_eq!(shortened("層層層層層層", 7), "層…層");
    }

    proptest! {
        #[test]
        fn every_table_fits_80_columns_and_shows_every_number_whole(
            names in prop::collection::vec("[a-z/.層]{0,120}", 1..4),
            widths in prop::collection::vec(1_usize..26, 1..12),
        ) {
            let head: Vec<String> = std::iter::once("name".to_owned())
                .chain((0..widths.len()).map(|column| format!("head\n{column}")))
                .collect();
            let head: Vec<&str> = head.iter().map(String::as_str).collect();
            let number = |row: usize, column: usize| format!("{}{}", "9".repeat(widths[column] - 1), (row + column) % 10);
            let rows: Vec<Vec<String>> = names
                .iter()
                .enumerate()
                .map(|(row, name)| {
                    std::iter::once(name.clone()).chain((0..widths.len()).map(|column| number(row, column))).collect()
                })
                .collect();
            let text = table(&head, rows);
            for line in text.lines() {
                prop_assert!(line.width() <= WIDTH, "{} columns\n{text}", line.width());
            }
            let words: Vec<&str> = text.split_whitespace().collect();
            for row in 0..names.len() {
                for column in 0..widths.len() {
                    prop_assert!(words.contains(&&*number(row, column)), "{text}");
                }
            }
        }
    }
}
