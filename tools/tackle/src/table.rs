// SPDX-License-Identifier: GPL-2.0

//! Tables, and what else goes to stdout.

use std::io::{stdout, Write};

use anyhow::Result;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

/// Prints a line.
pub fn say(text: &str) {
    // Unlike println!, which panics on a closed pipe (`... | head`).
    let _ = writeln!(stdout(), "{text}");
}

/// Returns a name that somebody else has given, without characters that would change the terminal.
pub fn printable(name: &str) -> String {
    name.replace(char::is_control, "?")
}

/// Prints a value as JSON.
///
/// # Errors
/// None that these values can have.
pub fn json(value: &impl Serialize) -> Result<()> {
    say(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Rows under a heading, two blanks between the columns; those in `numbers` stand to the
/// right.
pub fn table<const N: usize>(
    heading: [&str; N],
    numbers: &[usize],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let heading = heading.map(str::to_owned).to_vec();
    let rows = rows.into_iter().map(Vec::from);
    columns(heading, |index| numbers.contains(&index), rows)
}

/// The same with a number of columns that the program learns as it runs.
pub fn columns(
    heading: Vec<String>,
    is_number: impl Fn(usize) -> bool,
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let count = heading.len();
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(heading);
    for row in rows {
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index + 1 < count { 2 } else { 0 }));
        if is_number(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_change_the_terminal() {
        assert_eq!(printable("a b\x1b[2Jc\td"), "a b?[2Jc?d");
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [["a", "1"], ["long", "234"]].map(|row| row.map(String::from));
        let text = table(["NAME", "COUNT"], &[1], rows);
        assert_eq!(text, "NAME  COUNT\na         1\nlong    234");
    }
}
