// SPDX-License-Identifier: GPL-2.0

//! What a queueing discipline does to those who share a slow link: the throughput of TCP flows,
//! and the delay of a thin flow beside them.
//!
//! Each discipline has a link of its own ([`tackle_link`]). All are loaded at the same time, in
//! a guest whose clock stands still while anything is computed: a packet waits for links and
//! queues alone.

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

/// The disciplines: what the report calls each, and what `tc` is told.
const QUEUES: [(&str, &str); 5] = [
    ("pfifo", "pfifo limit 1000"),
    ("codel", "codel"),
    ("rcodel", "rcodel"),
    ("fq_codel", "fq_codel"),
    ("rfq_codel", "rfq_codel"),
];

const FLOWS: [u32; 3] = [1, 4, 32];

/// Rounds on a link of so many Mbit/s. On a slow one each flow sends little in a round, and
/// the tail of the delays depends on which of them wait for a time-out together: there are
/// rounds of two kinds, and it takes many for a median that holds.
fn rounds(mbit: u32) -> u32 {
    if mbit > 10 {
        31
    } else {
        61
    }
}

/// What each flow sends in a round after its first 6 s, about, in kbit.
const EACH: u32 = 10_000;

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
                // So much of each flow that the percentiles are not of what one flow did
                // once: many flows on a slow link live from time-out to time-out.
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

/// Loads all queues at the same time: what each of them did.
fn measure(plan: Plan) -> Result<Vec<(&'static str, Measured)>> {
    thread::scope(|scope| {
        let all = QUEUES
            .map(|(name, queue)| scope.spawn(move || Ok((name, Link::new(plan)?.measure(queue)?))));
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
