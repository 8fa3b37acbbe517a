// SPDX-License-Identifier: GPL-2.0

//! Draws hooks on a terminal.

use ratatui::layout::{Constraint, Direction, Layout, Rect};
use ratatui::style::{Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Bar, BarChart, BarGroup, Block, Cell, Row as Cells, Table};
use ratatui::Frame;

use super::missed;
use super::numbers::rate;
use super::watch::Row;

/// Draws the counters of all hooks, and below them the bars of the hooks that have bars, as far as
/// there is room.
pub fn draw(frame: &mut Frame<'_>, rows: &[Row]) {
    let with_bars: Vec<_> = rows
        .iter()
        .filter(|row| !row.reading.bars.is_empty())
        .collect();
    let mut heights = vec![Constraint::Length(rows.len() as u16 + 1)];
    heights.extend(with_bars.iter().map(|_| Constraint::Fill(1)));
    heights.push(Constraint::Length(1));
    if with_bars.is_empty() {
        heights.insert(1, Constraint::Fill(1));
    }
    let areas = Layout::vertical(heights).split(frame.area());
    counters(frame, areas[0], rows);
    for (row, area) in with_bars.iter().zip(&areas[1..]) {
        bars(frame, *area, row);
    }
    frame.render_widget(Line::from("q: end").dim(), areas[areas.len() - 1]);
}

fn counters(frame: &mut Frame<'_>, area: Rect, rows: &[Row]) {
    let number = |text: String| Cell::from(Line::from(text).right_aligned());
    let cells = rows.iter().map(|row| {
        let reading = &row.reading;
        Cells::new([
            Cell::from(reading.name.as_str()),
            Cell::from(reading.function.as_str()),
            Cell::from(reading.kind.as_str()),
            number(reading.calls.to_string()),
            number(rate(row.rate)),
            number(missed(reading.missed)),
        ])
    });
    let widths = [
        Constraint::Fill(3),
        Constraint::Fill(3),
        Constraint::Length(8),
        Constraint::Length(14),
        Constraint::Length(12),
        Constraint::Length(24),
    ];
    let heading = Cells::new([
        Cell::from("HOOK"),
        Cell::from("FUNCTION"),
        Cell::from("KIND"),
        number("CALLS".into()),
        number("PER SECOND".into()),
        number("MISSED".into()),
    ]);
    let table = Table::new(cells, widths).header(heading.style(Style::new().bold()));
    frame.render_widget(table, area);
}

fn bars(frame: &mut Frame<'_>, area: Rect, row: &Row) {
    let bars: Vec<_> = row
        .reading
        .bars
        .iter()
        .map(|bar| {
            Bar::default()
                .value(bar.count)
                .label(Line::from(bar.label.as_str()))
        })
        .collect();
    let chart = BarChart::default()
        .direction(Direction::Horizontal)
        .block(Block::bordered().title(row.reading.name.as_str()))
        .data(BarGroup::default().bars(&bars))
        .bar_width(1)
        .bar_gap(0);
    frame.render_widget(chart, area);
}
