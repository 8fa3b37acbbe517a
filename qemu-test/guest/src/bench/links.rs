// SPDX-License-Identifier: GPL-2.0

//! Measures how queueing disciplines affect the users of a slow link: the throughput of TCP flows,
//! and the delay of a flow with few packets beside them.
//!
//! Each discipline has a link of its own ([`tackle_link`]). All links are loaded at the same time.
//! The guest's clock stands still while the guest computes, so packets wait only for links and
//! queues.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use tackle_link::{Link, Measured, Plan};

use super::{Figure, Report, Suite};
use crate::sys::module;

/// The suite with the slower links and short delays.
pub const SUITE: Suite = Suite {
    name: "links",
    run: |report| run(report, &[(10, 20)]),
};

/// The suite with all links. Its figures belong to the suite `links`.
pub const ALL: Suite = Suite {
    name: "links-all",
    run: |report| run(report, &[(10, 20), (10, 100), (100, 20), (100, 100)]),
};

/// The disciplines: the name in the report, and the arguments for `tc`.
const QUEUES: [(&str, &str); 5] = [
    ("pfifo", "pfifo limit 1000"),
    ("codel", "codel"),
    ("rcodel", "rcodel"),
    ("fq_codel", "fq_codel"),
    ("rfq_codel", "rfq_codel"),
];

const FLOWS: [u32; 3] = [1, 4, 32];

/// Returns the number of rounds on a link of this rate. On a slow link each flow sends little in a
/// round. The longest delays then depend on which flows wait for a timeout at the same time. So
/// rounds vary much, and a stable median needs many rounds.
fn rounds(mbit: u32) -> u32 {
    if mbit > 10 {
        31
    } else {
        61
    }
}

/// About the amount in kbit that each flow sends in a round after the first 6 s.
const EACH: u32 = 10_000;

fn run(report: &mut Report, links: &[(u32, u64)]) -> Result<()> {
    let modules = module::qdiscs()?;
    for &(mbit, rtt) in links {
        for flows in FLOWS {
            let plan = Plan {
                kbit: 1000 * mbit,
                rtt: Duration::from_millis(rtt),
                flows,
                // CoDel and the flows need some tens of round trips to reach a steady state. CoDel
                // needs more time with more flows, since a drop slows down only one flow.
                warm_up: Duration::from_millis(1000 + 20 * rtt + 200 * u64::from(flows)),
                // The time is long enough that single events of one flow do not determine the
                // percentiles. With many flows on a slow link, each flow often waits for a timeout.
                time: Duration::from_millis(6000 + u64::from(EACH * flows / mbit)),
            };
            let case = format!("{mbit}mbit-{rtt}ms-{flows}");
            for _ in 0..rounds(mbit) {
                for (subject, measured) in measure(plan)? {
                    tell(report, [&case, subject], &measured)?;
                }
            }
        }
    }
    modules.unload()
}

/// Loads all queues at the same time. Returns the measured values of each queue.
fn measure(plan: Plan) -> Result<Vec<(&'static str, Measured)>> {
    thread::scope(|scope| {
        let all = QUEUES
            .map(|(name, queue)| scope.spawn(move || Ok((name, Link::new(plan)?.measure(queue)?))));
        all.into_iter()
            .map(|one| one.join().expect("measuring does not panic"))
            .collect()
    })
}

/// Reports the figures of one queue in one round.
fn tell(report: &mut Report, [case, subject]: [&str; 2], measured: &Measured) -> Result<()> {
    let delay = |percent| measured.delays.percentile(percent);
    for (what, metric, value, unit) in [
        ("p50", "ping", delay(50), "ms"),
        ("p95", "ping", delay(95), "ms"),
        ("p99", "ping", delay(99), "ms"),
        ("rate", "throughput", measured.mbit, "Mbit/s"),
    ] {
        report.figure(Figure {
            suite: SUITE.name,
            case: &format!("{case}-{what}"),
            subject,
            metric,
            value,
            unit,
        })?;
    }
    Ok(())
}
