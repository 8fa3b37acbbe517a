// SPDX-License-Identifier: GPL-2.0

//! Draws queues on a terminal.

use std::collections::VecDeque;

use ratatui::layout::{Constraint, Direction, Layout, Rect};
use ratatui::style::{Color, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Bar, BarChart, BarGroup, Block, Sparkline};
use ratatui::Frame;

use super::sample::Bucket;
use super::watch::{place, us, Row};
use crate::hook::numbers::rate;

/// The minimum number of lines to draw a queue.
const LEAST: u16 = 8;

/// Draws the queues one below the other, as far as there is room. On the left are their delay,
/// drops and rate over time, on the right the histogram of the sojourn times.
pub fn draw(frame: &mut Frame<'_>, rows: &[Row]) {
    let [area, help] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(frame.area());
    let room = usize::from((area.height / LEAST).max(1));
    let shown = &rows[..rows.len().min(room)];
    let heights = shown.iter().map(|_| Constraint::Fill(1));
    let areas = Layout::vertical(heights).split(area);
    for (row, area) in shown.iter().zip(areas.iter()) {
        queue(frame, *area, row);
    }
    let more = match rows.len() - shown.len() {
        0 => String::new(),
        count => format!(", {count} more queues"),
    };
    frame.render_widget(Line::from(format!("q: end{more}")).dim(), help);
}

fn queue(frame: &mut Frame<'_>, area: Rect, row: &Row) {
    let block = Block::bordered().title(title(row));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let buckets = row.queue.sojourn();
    let right = if buckets.is_empty() { 0 } else { 1 };
    let [left, right] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Fill(right)]).areas(inner);
    let areas: [Rect; 3] = Layout::vertical([Constraint::Fill(1); 3]).areas(left);
    let lines = [
        (delay(row), &row.delays, Color::Yellow),
        (losses(row), &row.losses, Color::Red),
        (sent(row), &row.bits, Color::Green),
    ];
    for ((title, values, color), area) in lines.into_iter().zip(areas) {
        sparkline(frame, area, title, values, color);
    }
    if !buckets.is_empty() {
        histogram(frame, right, buckets);
    }
}

fn title(row: &Row) -> String {
    let queue = &row.queue;
    format!(
        "{} {} {}: {} packets sent, {} dropped, {} marked, {} wait",
        queue.kind,
        queue.handle,
        place(queue),
        queue.packets,
        queue.drops,
        queue.marks(),
        queue.qlen
    )
}

/// Returns a text about the delay.
fn delay(row: &Row) -> String {
    match (row.delay, &row.queue.details.sojourn, row.queue.ldelay) {
        (Some(delay), ..) => format!(
            "delay p50 {} p95 {} p99 {}",
            us(delay.p50),
            us(delay.p95),
            us(delay.p99)
        ),
        (None, Some(_), _) => "delay: no packet has waited".to_owned(),
        (None, None, Some(ldelay)) => format!("delay of the last packet {}", us(ldelay.into())),
        (None, None, None) if row.queue.kind == "rfq_codel" => {
            "delay: switch the histogram on (tc qdisc change ... histogram)".to_owned()
        }
        (None, None, None) => format!("delay: {} does not tell", row.queue.kind),
    }
}

fn losses(row: &Row) -> String {
    let reasons = row
        .queue
        .details
        .drops
        .iter()
        .filter(|(_, count)| **count != 0);
    let reasons: Vec<_> = reasons
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    format!(
        "drops {}/s marks {}/s {}",
        rate(row.rates.map(|rates| rates.drops)),
        rate(row.rates.map(|rates| rates.marks)),
        reasons.join(" ")
    )
}

fn sent(row: &Row) -> String {
    format!(
        "rate {} Mbit/s, {} packets/s",
        row.rates.map_or_else(
            || "-".to_owned(),
            |rates| format!("{:.2}", rates.bits / 1e6)
        ),
        rate(row.rates.map(|rates| rates.packets))
    )
}

/// Draws the latest values, as many as fit.
fn sparkline(
    frame: &mut Frame<'_>,
    area: Rect,
    title: String,
    values: &VecDeque<u64>,
    color: Color,
) {
    let skip = values.len().saturating_sub(usize::from(area.width));
    let shown: Vec<u64> = values.iter().skip(skip).copied().collect();
    let line = Sparkline::default()
        .block(Block::new().title(title))
        .data(shown)
        .style(color);
    frame.render_widget(line, area);
}

fn histogram(frame: &mut Frame<'_>, area: Rect, buckets: &[Bucket]) {
    let block = Block::new().title("packets that waited for");
    let room = usize::from(block.inner(area).height);
    // If not all buckets fit, those of the longest times are shown.
    let skip = buckets.len().saturating_sub(room);
    let bars: Vec<_> = buckets[skip..]
        .iter()
        .map(|bucket| {
            Bar::default()
                .value(bucket.count)
                .label(Line::from(us(bucket.low.into())))
        })
        .collect();
    let chart = BarChart::default()
        .direction(Direction::Horizontal)
        .block(block)
        .data(BarGroup::default().bars(&bars))
        .bar_width(1)
        .bar_gap(0);
    frame.render_widget(chart, area);
}
