// SPDX-License-Identifier: GPL-2.0

//! Defines the suites of slow links. A case consists of a rate, a round trip, a number of flows,
//! and what is measured.

use super::{Means, Suite};

const AXIS: &str = "milliseconds; of throughput Mbit/s, where more is better";
const TEXT: &str = "Three network name spaces, of which the middle one sends to the third at \
    the rate of the link with the discipline before it; the whole of the round trip is on the way \
    back. Beside the TCP flows there is a thin flow of UDP packets, each of which comes back: the \
    ping. Rounds of 6 s and more.";

/// The cases of links, each with its rate in Mbit/s and its round trip in ms.
macro_rules! link_cases {
    ($($mbit:literal, $rtt:literal);+) => {
        &[$(
            link_cases!(@ $mbit, $rtt, "1", "p50", "ping p50"),
            link_cases!(@ $mbit, $rtt, "1", "p95", "ping p95"),
            link_cases!(@ $mbit, $rtt, "1", "p99", "ping p99"),
            link_cases!(@ $mbit, $rtt, "1", "rate", "throughput"),
            link_cases!(@ $mbit, $rtt, "4", "p50", "ping p50"),
            link_cases!(@ $mbit, $rtt, "4", "p95", "ping p95"),
            link_cases!(@ $mbit, $rtt, "4", "p99", "ping p99"),
            link_cases!(@ $mbit, $rtt, "4", "rate", "throughput"),
            link_cases!(@ $mbit, $rtt, "32", "p50", "ping p50"),
            link_cases!(@ $mbit, $rtt, "32", "p95", "ping p95"),
            link_cases!(@ $mbit, $rtt, "32", "p99", "ping p99"),
            link_cases!(@ $mbit, $rtt, "32", "rate", "throughput")
        ),+]
    };
    (@ $mbit:literal, $rtt:literal, $flows:literal, $what:literal, $words:literal) => {
        (
            concat!($mbit, "mbit-", $rtt, "ms-", $flows, "-", $what),
            concat!($mbit, " Mbit/s, ", $rtt, " ms, TCP flows: ", $flows, "; ", $words),
        )
    };
}

/// The suite of an ordinary run, which has only the first links.
pub const NEAR: Suite = Suite {
    name: "links",
    means: Means::TimeTravel,
    title: "Slow links: ping beside TCP flows, and their throughput",
    axis: AXIS,
    metrics: &[("ping", ""), ("throughput", "")],
    text: TEXT,
    with_percent: false,
    by_name_only: false,
    cases: link_cases!("10", "20"; "10", "100"; "100", "20"; "100", "100"),
};

/// The suite that measures all links. Its records belong to the suite [`NEAR`].
pub const ALL: Suite = Suite {
    name: "links-all",
    with_percent: false,
    by_name_only: true,
    cases: &[],
    ..NEAR
};
