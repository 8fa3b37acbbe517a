// SPDX-License-Identifier: GPL-2.0

//! Implements `tackle qdisc probe`: loads a slow link and measures the round-trip time of other
//! packets, with one queueing discipline after another.
//!
//! The link consists of network namespaces ([`tackle_link`]). So no device of the machine is
//! changed, and nothing is left afterwards.

use std::io::{stderr, IsTerminal};
use std::time::Duration;

use anyhow::{ensure, Result};
use clap::Args;
use nix::unistd::geteuid;
use serde::Serialize;
use tackle_link::{Delays, Link, Measured, Plan};

use super::picture::draw;
use crate::picture::{picture, Picture};
use crate::table::{json, say, table};

/// What to measure.
#[derive(Args, Debug)]
pub struct Request {
    /// Rate of the link: kbit, mbit or gbit a second
    #[arg(long, default_value = "10mbit", value_parser = rate)]
    rate: u32,
    /// The round trip without a queue: us, ms or s
    #[arg(long, default_value = "20ms", value_parser = span)]
    rtt: Duration,
    /// TCP connections that fill the link
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u32).range(1..=256))]
    flows: u32,
    /// How long each discipline is measured: ms or s
    #[arg(long, default_value = "10s", value_parser = span)]
    time: Duration,
    /// Draw the delays into this file, as SVG or PNG: its name ends in .svg or .png
    #[arg(long, value_name = "FILE", value_parser = picture)]
    output: Option<Picture>,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// The disciplines, each with its options as tc takes them, in one word
    #[arg(value_name = "QDISC", default_values = ["pfifo limit 1000", "codel", "rcodel"])]
    queues: Vec<String>,
}

/// The measurement of one queueing discipline, for JSON.
#[derive(Debug, Serialize)]
struct Row<'a> {
    qdisc: &'a str,
    mbit: f64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    lost: usize,
    delays_ms: &'a Delays,
}

impl Request {
    /// Measures the queueing disciplines, prints the results, and draws them if a file is given.
    ///
    /// # Errors
    /// Returns an error if the user is not root, if `ip`, `tc` or a queueing discipline is
    /// missing, or if the file cannot be written.
    pub fn run(&self) -> Result<()> {
        ensure!(geteuid().is_root(), "only root may make network namespaces");
        let plan = self.plan();
        if let Some(picture) = &self.output {
            // A file that cannot be written must cause an error now, and not after minutes of
            // measuring.
            picture.check()?;
        }
        let link = Link::new(plan)?;
        let mut all = Vec::new();
        for (number, queue) in self.queues.iter().enumerate() {
            if stderr().is_terminal() {
                let seconds = (plan.warm_up + plan.time).as_secs_f64().ceil();
                let (number, of) = (number + 1, self.queues.len());
                eprintln!("{queue}: {number} of {of}, takes {seconds:.0} s");
            }
            all.push((queue.as_str(), link.measure(queue)?));
        }
        if let Some(picture) = &self.output {
            let curves: Vec<_> = all
                .iter()
                .map(|(name, measured)| (*name, &measured.delays))
                .collect();
            picture.write(draw(&self.title(), &curves)?)?;
        }
        let rows: Vec<_> = all.iter().map(|(name, one)| row(name, one)).collect();
        if self.json {
            json(&rows)
        } else {
            say(&text(&rows));
            Ok(())
        }
    }

    fn plan(&self) -> Plan {
        Plan {
            kbit: self.rate,
            rtt: self.rtt,
            flows: self.flows,
            // After this time TCP and CoDel are in a steady state.
            warm_up: Duration::from_secs(1) + 20 * self.rtt,
            time: self.time,
        }
    }

    fn title(&self) -> String {
        let mbit = f64::from(self.rate) / 1e3;
        let rtt = self.rtt.as_secs_f64() * 1e3;
        format!("{mbit} Mbit/s, {rtt} ms away, TCP flows: {}", self.flows)
    }
}

fn row<'a>(qdisc: &'a str, measured: &'a Measured) -> Row<'a> {
    let delays = &measured.delays;
    Row {
        qdisc,
        mbit: measured.mbit,
        p50_ms: delays.percentile(50),
        p95_ms: delays.percentile(95),
        p99_ms: delays.percentile(99),
        lost: measured.lost,
        delays_ms: delays,
    }
}

fn text(rows: &[Row<'_>]) -> String {
    let heading = ["QDISC", "MBIT/S", "PING P50", "P95", "P99 MS", "LOST"];
    let rows = rows.iter().map(|row| {
        [
            row.qdisc.to_owned(),
            format!("{:.2}", row.mbit),
            format!("{:.1}", row.p50_ms),
            format!("{:.1}", row.p95_ms),
            format!("{:.1}", row.p99_ms),
            row.lost.to_string(),
        ]
    });
    table(heading, &[1, 2, 3, 4, 5], rows)
}

/// Parses a number with a unit, and multiplies it by the unit's factor.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// Parses a rate and returns it in kbit/s. `netem` and `tbf` cannot limit a link to more than 4
/// Gbit/s.
fn rate(text: &str) -> Result<u32, String> {
    let units = [("kbit", 1), ("mbit", 1000), ("gbit", 1_000_000)];
    let kbit = scaled(text, &units).and_then(|kbit| u32::try_from(kbit).ok());
    kbit.filter(|kbit| (64..=4_000_000).contains(kbit))
        .ok_or_else(|| "not a rate from 64kbit to 4gbit".into())
}

/// Parses a time from 1 us to one hour.
fn span(text: &str) -> Result<Duration, String> {
    let units = [("us", 1), ("ms", 1000), ("s", 1_000_000)];
    scaled(text, &units)
        .filter(|us| (1..=3_600_000_000).contains(us))
        .map(Duration::from_micros)
        .ok_or_else(|| "not a time from 1us to 3600s".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_times_have_units() {
        assert_eq!(rate("10mbit"), Ok(10_000));
        assert_eq!(rate("64kbit"), Ok(64));
        assert_eq!(rate("4gbit"), Ok(4_000_000));
        for wrong in ["10", "63kbit", "5gbit", "10mb", "mbit", "1.5mbit", ""] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
        assert_eq!(span("20ms"), Ok(Duration::from_millis(20)));
        for wrong in ["0ms", "20", "-1s", "2h", "99999999999999999999s"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rows_are_a_table_and_json() {
        let measured = Measured {
            mbit: 9.504,
            delays: [20.0, 25.0, 31.25].into_iter().collect(),
            lost: 2,
        };
        let rows = [row("rcodel", &measured)];
        let expected = "QDISC   MBIT/S  PING P50   P95  P99 MS  LOST\n\
                        rcodel    9.50      25.0  31.2    31.2     2";
        assert_eq!(text(&rows), expected);
        let json = serde_json::to_value(&rows).unwrap();
        assert_eq!(json[0]["p50_ms"], 25.0);
        assert_eq!(json[0]["delays_ms"][2], 31.25);
    }
}
