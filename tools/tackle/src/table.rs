// SPDX-License-Identifier: GPL-2.0

//! Formats tables, and prints lines and JSON to stdout.

use std::io::{stdout, Write};

use anyhow::Result;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

/// Prints a line.
pub fn say(text: &str) {
    // `println!` would panic on a closed pipe (`... | head`).
    let _ = writeln!(stdout(), "{text}");
}

/// Returns `name` with each control character replaced by `?`, since control characters could
/// change the terminal. For names that do not come from the user of `tackle`.
pub fn printable(name: &str) -> String {
    name.replace(char::is_control, "?")
}

/// Prints a value as JSON.
///
/// # Errors
/// Returns an error if the value cannot be serialized, which no value in this crate causes.
pub fn json(value: &impl Serialize) -> Result<()> {
    say(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Formats rows under a heading, with two blanks between the columns. The columns whose indices
/// are in `numbers` are aligned to the right.
pub fn table<const N: usize>(
    heading: [&str; N],
    numbers: &[usize],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let heading = heading.map(str::to_owned).to_vec();
    let rows = rows.into_iter().map(Vec::from);
    columns(heading, |index| numbers.contains(&index), rows)
}

/// Formats a table like [`table`], whose number of columns is known only at run time.
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
