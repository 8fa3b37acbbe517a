// SPDX-License-Identifier: GPL-2.0

//! Draws the output of `tackle numa top` on a terminal, or formats it as plain tables.

use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Style, Stylize};
use ratatui::text::Line as Text;
use ratatui::widgets::{Cell, Row as Cells, Table};
use ratatui::Frame;

use super::rates::Line;
use super::row::OTHERS;
use super::source::shares;
use super::top::View;
use crate::hook::numbers::{rate, time};
use crate::table::columns;

/// The maximum number of nodes that are printed for a task: those with the most pages.
const SHARES: usize = 3;

const TASKS: [&str; 12] = [
    "PID",
    "COMMAND",
    "GROUP",
    "PREF",
    "FAULTS/s",
    "PAGES/s",
    "LOCAL",
    "MIGRATED/s",
    "MOVES/s",
    "STALL/s",
    "MEMORY",
    "CPU",
];
const NODES: [&str; 7] = [
    "NODE",
    "FAULTS/s",
    "PAGES/s",
    "LOCAL",
    "MIGRATED/s",
    "STALL/s",
    "FROM CPUS OF",
];

/// Returns whether a column has text, and no numbers.
fn is_text(heading: &str) -> bool {
    matches!(heading, "COMMAND" | "MEMORY" | "CPU" | "FROM CPUS OF")
}

/// Draws the nodes and below them the tasks, as far as there is room.
pub fn draw(frame: &mut Frame<'_>, view: &View) {
    let area = frame.area();
    // Two thirds of the screen are for tasks.
    let nodes = (view.nodes.len() + 1).min(usize::from(area.height / 3).max(2));
    // CAST: The value is at most a third of the screen's height, or 2.
    let [warnings, node_area, _, tasks, help] = Layout::vertical([
        Constraint::Length(view.warnings.len().min(4) as u16),
        Constraint::Length(nodes as u16),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(area);
    let lines: Vec<_> = view
        .warnings
        .iter()
        .map(|line| Text::from(line.as_str()).yellow())
        .collect();
    frame.render_widget(ratatui::text::Text::from(lines), warnings);
    table(
        frame,
        node_area,
        &NODES,
        view.nodes.iter().map(node),
        [6, 10, 10, 7, 12, 10, 24],
    );
    let widths = [8, 16, 8, 5, 10, 10, 6, 11, 8, 9, 22, 22];
    table(frame, tasks, &TASKS, view.tasks.iter().map(task), widths);
    let order = format!(
        "q: end, < >: sort by another column, r: reverse; sorted by {}{}",
        view.sort.name(),
        if view.reverse { ", reversed" } else { "" }
    );
    frame.render_widget(Text::from(order).dim(), help);
}

fn table<const N: usize>(
    frame: &mut Frame<'_>,
    area: Rect,
    heading: &[&str; N],
    rows: impl Iterator<Item = [String; N]>,
    widths: [u16; N],
) {
    let cells = |row: [String; N]| {
        Cells::new(heading.iter().zip(row).map(|(heading, text)| {
            let line = Text::from(text);
            Cell::from(if is_text(heading) {
                line
            } else {
                line.right_aligned()
            })
        }))
    };
    let top = cells(heading.map(String::from)).style(Style::new().bold());
    let table = Table::new(rows.map(cells), widths.map(Constraint::Length)).header(top);
    frame.render_widget(table, area);
}

/// Returns the nodes and tasks as two tables.
pub fn plain(tasks: &[Line], nodes: &[Line]) -> String {
    let nodes = text(&NODES, nodes.iter().map(node));
    if tasks.is_empty() {
        return format!("{nodes}\n\nno task has had a NUMA hinting fault");
    }
    format!("{nodes}\n\n{}", text(&TASKS, tasks.iter().map(task)))
}

fn text<const N: usize>(heading: &[&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let is_number = |index: usize| !is_text(heading[index]);
    columns(
        heading.map(String::from).to_vec(),
        is_number,
        rows.map(Vec::from),
    )
}

fn node(line: &Line) -> [String; 7] {
    let rates = line.rates;
    [
        field(line, "node"),
        rate(rates.map(|rates| rates.faults)),
        rate(rates.map(|rates| rates.pages)),
        share(line.local),
        rate(rates.map(|rates| rates.migrated)),
        stall(line),
        shares(&line.cpus, SHARES),
    ]
}

fn task(line: &Line) -> [String; 12] {
    let rates = line.rates;
    [
        field(line, "pid"),
        match field(line, "pid").as_str() {
            OTHERS => "-".into(),
            _ => field(line, "comm"),
        },
        field(line, "group"),
        field(line, "preferred"),
        rate(rates.map(|rates| rates.faults)),
        rate(rates.map(|rates| rates.pages)),
        share(line.local),
        rate(rates.map(|rates| rates.migrated)),
        rate(rates.map(|rates| rates.moves)),
        stall(line),
        shares(&line.memory, SHARES),
        shares(&line.cpus, SHARES),
    ]
}

fn field(line: &Line, key: &str) -> String {
    let text = line.row.text(key).filter(|text| !text.is_empty());
    text.unwrap_or_else(|| "-".into())
}

fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "-".into(), |share| format!("{:.0}%", 100.0 * share))
}

/// Returns for how long tasks waited for faults in each second.
fn stall(line: &Line) -> String {
    // CAST: The value is not negative, and at most some seconds for each CPU.
    line.rates
        .map_or_else(|| "-".into(), |rates| time(rates.stall_ns as u64))
}
