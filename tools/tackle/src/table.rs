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
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(heading);
    for row in rows {
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index + 1 < N { 2 } else { 0 }));
        if numbers.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [["a", "1"], ["long", "234"]].map(|row| row.map(String::from));
        let text = table(["NAME", "COUNT"], &[1], rows);
        assert_eq!(text, "NAME  COUNT\na         1\nlong    234");
    }
}
