// SPDX-License-Identifier: GPL-2.0

//! Implements `tackle qdisc watch`: shows queues on a terminal, or prints them once as plain
//! lines.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::device::Device;
use super::sample::{Bucket, Queue};
use super::screen::draw;
use crate::hook::numbers::{rate, time};
use crate::terminal;

/// The maximum number of readings that are shown.
const HISTORY: usize = 512;

/// Percentiles of the delay, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delay {
    /// The median.
    pub p50: f64,
    /// The 95th percentile.
    pub p95: f64,
    /// The 99th percentile.
    pub p99: f64,
}

/// The changes per second between two readings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Bits sent.
    pub bits: f64,
    /// Packets sent.
    pub packets: f64,
    /// Packets dropped.
    pub drops: f64,
    /// Packets marked.
    pub marks: f64,
}

/// The statistics of a queue, and their changes since the last reading.
#[derive(Clone, Debug)]
pub struct Row {
    /// The statistics.
    pub queue: Queue,
    /// The changes since the last reading; [`None`] at the first reading.
    pub rates: Option<Rates>,
    /// The delay of the packets since the last reading. The first reading has the delay of all
    /// packets since the histogram was switched on. [`None`] if the histogram is off or no packet
    /// was counted.
    pub delay: Option<Delay>,
    /// The 95th percentiles of the delay in microseconds, oldest first. Without a histogram, these
    /// are the delays of the last packet at each reading.
    pub delays: VecDeque<u64>,
    /// Drops and marks per second.
    pub losses: VecDeque<u64>,
    /// Bits per second.
    pub bits: VecDeque<u64>,
}

/// Compares `queues` with the reading `before`, which was taken `elapsed` ago.
pub fn rows(queues: Vec<Queue>, before: &[Row], elapsed: Option<Duration>) -> Vec<Row> {
    let row = |queue: Queue| {
        let same = |row: &&Row| {
            let last = &row.queue;
            (&last.kind, &last.handle, &last.parent) == (&queue.kind, &queue.handle, &queue.parent)
        };
        let last = before.iter().find(same);
        let rates = last
            .zip(elapsed)
            .and_then(|(last, elapsed)| rates(&queue, &last.queue, elapsed));
        let delay = percentiles(&since(queue.sojourn(), last.map(|row| &row.queue)));
        let history = |of: fn(&Row) -> &VecDeque<u64>, value: Option<f64>| {
            let mut all = last.map(of).cloned().unwrap_or_default();
            // CAST: The value is not negative and far below 2^64.
            all.extend(value.map(|value| value as u64));
            all.drain(..all.len().saturating_sub(HISTORY));
            all
        };
        let shown = match queue.details.sojourn {
            Some(_) => Some(delay.map_or(0.0, |delay| delay.p95)),
            None => queue.ldelay.map(f64::from),
        };
        Row {
            delays: history(|row| &row.delays, shown),
            losses: history(
                |row| &row.losses,
                rates.map(|rates| rates.drops + rates.marks),
            ),
            bits: history(|row| &row.bits, rates.map(|rates| rates.bits)),
            queue,
            rates,
            delay,
        }
    };
    queues.into_iter().map(row).collect()
}

/// Returns the changes per second. Returns [`None`] if no time has passed, or if a counter has
/// decreased, since then a new queue has replaced the old one.
fn rates(now: &Queue, before: &Queue, elapsed: Duration) -> Option<Rates> {
    let seconds = elapsed.as_secs_f64();
    let per_second = |of: fn(&Queue) -> u64| {
        let count = of(now).checked_sub(of(before))?;
        (seconds > 0.0).then(|| count as f64 / seconds)
    };
    Some(Rates {
        bits: per_second(|queue| queue.bytes)? * 8.0,
        packets: per_second(|queue| queue.packets)?,
        drops: per_second(|queue| queue.drops)?,
        marks: per_second(Queue::marks)?,
    })
}

/// Returns the packets that were counted since `before`, or all if the histogram was reset since.
fn since(now: &[Bucket], before: Option<&Queue>) -> Vec<Bucket> {
    let before = before.map_or(&[][..], Queue::sojourn);
    let old = |low| before.iter().find(|bucket| bucket.low == low);
    let fresh: Option<Vec<_>> = now
        .iter()
        .map(|bucket| {
            let old = old(bucket.low).map_or(0, |old| old.count);
            let count = bucket.count.checked_sub(old)?;
            Some(Bucket { count, ..*bucket })
        })
        .collect();
    let is_there = |low| now.iter().any(|bucket| bucket.low == low);
    fresh
        .filter(|_| before.iter().all(|bucket| is_there(bucket.low)))
        .unwrap_or_else(|| now.to_vec())
}

fn percentiles(buckets: &[Bucket]) -> Option<Delay> {
    Some(Delay {
        p50: percentile(buckets, 0.50)?,
        p95: percentile(buckets, 0.95)?,
        p99: percentile(buckets, 0.99)?,
    })
}

/// Returns the delay that the share `part` of the packets did not exceed. The packets of a bucket
/// are assumed to be spread evenly over its range.
fn percentile(buckets: &[Bucket], part: f64) -> Option<f64> {
    let all: u64 = buckets.iter().map(|bucket| bucket.count).sum();
    let mut left = all as f64 * part;
    for bucket in buckets.iter().filter(|bucket| bucket.count != 0) {
        let count = bucket.count as f64;
        if left <= count {
            let (low, high) = (f64::from(bucket.low), f64::from(bucket.high));
            return Some(low + (high - low) * left / count);
        }
        left -= count;
    }
    buckets
        .last()
        .filter(|_| all != 0)
        .map(|bucket| bucket.high.into())
}

/// Formats a time in microseconds.
pub fn us(us: f64) -> String {
    // CAST: The value is not negative and at most 2^42.
    time((us * 1000.0) as u64)
}

/// Returns the place of a queue in the tree of queues.
pub fn place(queue: &Queue) -> String {
    match &queue.parent {
        Some(parent) => format!("parent {parent}"),
        None => "root".to_owned(),
    }
}

/// Formats a queue as plain lines: its counters, and a line for each bucket of the histogram.
pub fn plain(row: &Row) -> String {
    let Row { queue, rates, .. } = row;
    let mut text = format!("{} {} {}", queue.kind, queue.handle, place(queue));
    if let Some(ldelay) = queue.ldelay {
        text += &format!(" delay={}", us(ldelay.into()).replace(' ', ""));
    }
    if let Some(Delay { p50, p95, p99 }) = row.delay {
        for (name, value) in [("p50", p50), ("p95", p95), ("p99", p99)] {
            text += &format!(" {name}={}", us(value).replace(' ', ""));
        }
    }
    text += &format!(
        " packets={} bytes={} per-second={} drops={} marks={} backlog={} qlen={}",
        queue.packets,
        queue.bytes,
        rate(rates.map(|rates| rates.packets)),
        queue.drops,
        queue.marks(),
        queue.backlog,
        queue.qlen
    );
    for (what, reasons) in [
        ("drops", &queue.details.drops),
        ("marks", &queue.details.marks),
    ] {
        for (reason, count) in reasons {
            text += &format!(" {what}.{reason}={count}");
        }
    }
    for Bucket { low, high, count } in queue.sojourn() {
        let range = format!("{} - {}", us((*low).into()), us((*high).into()));
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {range:>19}  {count}");
    }
    text
}

/// Draws the queues of a device each `interval`, until the user presses q, Esc or Ctrl-C.
///
/// # Errors
/// Returns the errors of [`Device::queues`], and an error if the terminal cannot be used.
pub fn picture(device: &Device, interval: Duration) -> Result<()> {
    let mut at = Instant::now();
    // The first reading comes first, so that its error is printed before the terminal is switched
    // to full screen.
    let first = rows(device.queues()?, &[], None);
    terminal::show(
        interval,
        first,
        |frame, rows| draw(frame, rows),
        |last| {
            let queues = device.queues()?;
            let elapsed = at.elapsed();
            at = Instant::now();
            Ok(rows(queues, last, Some(elapsed)))
        },
    )
}
