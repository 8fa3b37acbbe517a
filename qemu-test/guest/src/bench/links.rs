// SPDX-License-Identifier: GPL-2.0

//! What a queueing discipline does to those who share a slow link, in real time and so under
//! User Mode Linux: the throughput of TCP flows, and the delay of a thin flow beside them.
//!
//! Each discipline has a link of its own ([`tackle_link`]). Where the machine can carry them
//! all they are loaded at the same time, so that what holds it up meets all of them alike;
//! else they take turns.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use tackle_link::{Link, Measured, Plan};

use super::{Figure, Report, Suite};
use crate::sys::module;

/// The suite: the slower of the links, nearby.
pub const SUITE: Suite = Suite {
    name: "links",
    run: |report| run(report, &[(10, 20)]),
};

/// All links; their figures are of the same suite.
pub const ALL: Suite = Suite {
    name: "links-all",
    run: |report| run(report, &[(10, 20), (10, 100), (100, 20), (100, 100)]),
};

/// The disciplines: what the report calls them, and what `tc` is told.
const QUEUES: [(&str, &str); 5] = [
    ("pfifo", "pfifo limit 1000"),
    ("codel", "codel"),
    ("rcodel", "rcodel"),
    ("fq_codel", "fq_codel"),
    ("rfq_codel", "rfq_codel"),
];

const FLOWS: [u32; 3] = [1, 4, 32];

const ROUNDS: u32 = 15;

/// Up to here, in Mbit/s, all links at once are no load for a processor.
const TOGETHER: u32 = 10;

fn run(report: &mut Report, links: &[(u32, u64)]) -> Result<()> {
    let modules = module::qdiscs()?;
    for &(mbit, rtt) in links {
        for flows in FLOWS {
            let plan = Plan {
                kbit: 1000 * mbit,
                rtt: Duration::from_millis(rtt),
                flows,
                // CoDel and the flows find their pace in some tens of round trips; CoDel
                // later the more flows there are, since a drop slows down but one of them.
                warm_up: Duration::from_millis(1000 + 20 * rtt + 200 * u64::from(flows)),
                time: Duration::from_secs(6),
            };
            let case = format!("{mbit}mbit-{rtt}ms-{flows}");
            for round in 0..ROUNDS {
                for (subject, measured) in measure(plan, round, mbit <= TOGETHER)? {
                    tell(report, [&case, subject], &measured)?;
                }
            }
        }
    }
    modules.unload()
}

/// One round: what each queue did.
fn measure(plan: Plan, round: u32, together: bool) -> Result<Vec<(&'static str, Measured)>> {
    let one = |(name, queue)| Ok((name, Link::new(plan)?.measure(queue)?));
    let mut queues = QUEUES.to_vec();
    // Nobody is always the first.
    if round % 2 == 1 {
        queues.reverse();
    }
    if !together {
        return queues.into_iter().map(one).collect();
    }
    thread::scope(|scope| {
        let all: Vec<_> = queues
            .into_iter()
            .map(|queue| scope.spawn(move || one(queue)))
            .collect();
        all.into_iter()
            .map(|one| one.join().expect("measuring does not panic"))
            .collect()
    })
}

/// The figures of one queue in one round.
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
