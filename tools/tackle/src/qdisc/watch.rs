// SPDX-License-Identifier: GPL-2.0

//! Watching queues: on a terminal, or once in plain lines.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::sample::{Bucket, Device, Queue};
use super::screen::draw;
use crate::hook::numbers::{rate, time};
use crate::terminal;

/// How many looks the picture has, if the terminal is as wide.
const HISTORY: usize = 512;

/// The delay in microseconds that some of the packets stayed below.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delay {
    /// The median.
    pub p50: f64,
    /// 95 of 100 packets.
    pub p95: f64,
    /// 99 of 100 packets.
    pub p99: f64,
}

/// What happened from one look to the next, for each second.
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

/// A queue's numbers now, and what became of them since the last look.
#[derive(Clone, Debug)]
pub struct Row {
    /// The numbers.
    pub queue: Queue,
    /// Since the last look; [`None`] at the first.
    pub rates: Option<Rates>,
    /// Since the last look, at the first since the histogram was switched on; [`None`] when
    /// it is off or no packet was counted.
    pub delay: Option<Delay>,
    /// The 95th percentiles of the delay in microseconds, the last one last; where there is no
    /// histogram, the delays of the last packets.
    pub delays: VecDeque<u64>,
    /// Drops and marks for each second.
    pub losses: VecDeque<u64>,
    /// Bits for each second.
    pub bits: VecDeque<u64>,
}

/// What there is to tell of queues after `elapsed` since the last look, which was `before`.
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
            // CAST: Not negative, and far from 2^64.
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

/// [`None`] when no time went by, or the queue is a new one with the name of the old.
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

/// The packets that were counted since `before`; all if the histogram was emptied since.
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

/// The time that this part of the packets stayed below, as if those of a bucket were spread
/// over it evenly.
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

/// A time in microseconds for people.
pub fn us(us: f64) -> String {
    // CAST: Not negative, and at most 2^42.
    time((us * 1000.0) as u64)
}

/// The place of a queue in the tree.
pub fn place(queue: &Queue) -> String {
    match &queue.parent {
        Some(parent) => format!("parent {parent}"),
        None => "root".to_owned(),
    }
}

/// A queue in plain lines: its counters, and a line for each bucket of the histogram.
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
        // A string takes anything.
        let _ = write!(text, "\n  {range:>19}  {count}");
    }
    text
}

/// Draws the queues of a device each `interval`, until the user has seen enough.
///
/// # Errors
/// As [`Device::queues`], and when the terminal cannot be used.
pub fn picture(device: &Device, interval: Duration) -> Result<()> {
    let mut at = Instant::now();
    // What is wrong with the device is for the terminal as it was.
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
