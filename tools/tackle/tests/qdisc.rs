// SPDX-License-Identifier: GPL-2.0

//! Tests the statistics and the output of `tackle qdisc watch` for given netlink messages.

mod wire;

use std::time::Duration;

use ratatui::backend::TestBackend;
use ratatui::Terminal;
use tackle_cli::qdisc::sample::queue;
use tackle_cli::qdisc::screen::draw;
use tackle_cli::qdisc::watch::{plain, rows, Rates, Row};
use wire::queues::{queues, Qdisc};
use wire::{attribute, words};

#[test]
fn json_has_the_keys_of_tc() {
    let queues = serde_json::to_value(queues(1_000, [1, 20, 3])).unwrap();
    let expected = serde_json::json!([
        {
            "kind": "rcodel", "handle": "10:", "parent": "1:1", "bytes": 1000, "packets": 7,
            "drops": 3, "backlog": 3028, "qlen": 2, "ldelay": 7250, "ecn_mark": 3, "ce_mark": 1,
            "details": {
                "drops": {"target": 3, "overlimit": 0, "change": 0, "reset": 0},
                "marks": {"target": 3, "ce_threshold": 1},
                "sojourn": [
                    {"low": 0, "high": 1, "count": 1},
                    {"low": 4194, "high": 5242, "count": 20},
                ],
            },
        },
        {
            "kind": "fq_codel", "handle": "20:", "parent": "1:2", "bytes": 0, "packets": 0,
            "drops": 0, "backlog": 0, "qlen": 0, "ecn_mark": 0, "ce_mark": 0,
            "details": {"drops": {}, "marks": {}},
        },
    ]);
    assert_eq!(queues, expected);
}

#[test]
fn rfq_codel_has_reasons_of_its_own() {
    let mut xstats = words(&[0, 1514, 9, 5, 1, 0, 0, 6, 0, 4]);
    xstats.extend(attribute(2, &words(&[2])));
    xstats.extend(attribute(4, &words(&[1])));
    let kind = "rfq_codel";
    let qdisc = Qdisc {
        kind,
        xstats,
        ..Qdisc::default()
    };
    let (_, queue) = queue(&qdisc.message().2).unwrap();
    assert_eq!((queue.ecn_mark, queue.ce_mark, queue.ldelay), (5, 6, None));
    let drops: Vec<_> = queue
        .details
        .drops
        .iter()
        .map(|(k, v)| (&k[..], *v))
        .collect();
    assert_eq!(
        drops,
        [
            ("change", 0),
            ("filter", 1),
            ("overlimit", 5),
            ("overmemory", 4),
            ("reset", 0),
            ("target", 2)
        ]
    );
    assert_eq!(queue.details.sojourn, None);
}

/// Returns the second of two readings, which was taken 2 s after the first.
fn looks() -> Vec<Row> {
    let first = rows(queues(1_000, [10, 0, 3]), &[], None);
    let second = queues(251_000, [10, 100, 23]);
    rows(second, &first, Some(Duration::from_secs(2)))
}

#[test]
fn the_first_look_has_totals() {
    let rows = rows(queues(1_000, [1, 20, 3]), &[], None);
    assert_eq!(
        rows.iter()
            .map(|row| &row.queue.kind[..])
            .collect::<Vec<_>>(),
        ["rcodel", "fq_codel"]
    );
    assert_eq!(
        plain(&rows[0]),
        "rcodel 10: parent 1:1 delay=7.25ms p50=4.69ms p95=5.19ms p99=5.23ms packets=7 bytes=1000 \
         per-second=- drops=3 marks=4 backlog=3028 qlen=2 drops.change=0 drops.overlimit=0 \
         drops.reset=0 drops.target=3 marks.ce_threshold=1 marks.target=3\n  \
         0 ns - 1.00 us  1\n  \
         4.19 ms - 5.24 ms  20"
            .replace("\n  0 ns - 1.00 us", "\n       0 ns - 1.00 us")
            .replace("\n  4.19", "\n    4.19")
    );
    assert_eq!(
        plain(&rows[1]),
        "fq_codel 20: parent 1:2 packets=0 bytes=0 per-second=- drops=0 marks=0 backlog=0 qlen=0"
    );
}

#[test]
fn the_next_look_has_what_came_since() {
    let rows = looks();
    let row = &rows[0];
    let expected = Rates {
        bits: 1_000_000.0,
        packets: 0.0,
        drops: 10.0,
        marks: 0.0,
    };
    assert_eq!(row.rates, Some(expected));
    // These are the percentiles of only the 100 new packets, spread over their bucket.
    let delay = row.delay.unwrap();
    let expected = [
        (delay.p50, 4718.0),
        (delay.p95, 5189.6),
        (delay.p99, 5231.52),
    ];
    for (delay, expected) in expected {
        assert!((delay - expected).abs() < 1e-9, "{delay} for {expected}");
    }
    assert_eq!(row.delays, [0, 5189]);
    assert_eq!(row.losses, [10]);
    assert_eq!(row.bits, [1_000_000]);
}

#[test]
fn an_emptied_histogram_begins_anew() {
    let first = rows(queues(1_000, [10, 50, 0]), &[], None);
    let second = queues(1_000, [4, 0, 0]);
    let rows = rows(second, &first, Some(Duration::from_secs(1)));
    assert_eq!(rows[0].delay.unwrap().p50, 0.5);
}

#[test]
fn a_new_queue_in_the_place_of_another_has_no_rates() {
    let first = rows(queues(1_000, [1, 0, 3]), &[], None);
    let second = queues(10, [1, 0, 0]);
    let rows = rows(second, &first, Some(Duration::from_secs(1)));
    assert_eq!(rows[0].rates, None);
}

fn drawn(width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, &looks())).unwrap();
    terminal.backend().to_string()
}

#[test]
fn the_picture_has_delay_drops_and_rate() {
    let picture = drawn(100, 25);
    for text in [
        "rcodel 10: parent 1:1: 7 packets sent, 23 dropped, 4 marked, 2 wait",
        "delay p50 4.72 ms p95 5.19 ms p99 5.23 ms",
        "drops 10.0/s marks 0.0/s target 23",
        "rate 1.00 Mbit/s, 0.0 packets/s",
        "packets that waited for",
        "4.19 ms",
        "fq_codel 20: parent 1:2",
        "delay: fq_codel does not tell",
        "q: end",
    ] {
        assert!(picture.contains(text), "no '{text}' in\n{picture}");
    }
}

#[test]
fn a_small_terminal_has_what_fits() {
    assert!(drawn(80, 9).contains("q: end, 1 more queues"));
    for (width, height) in [(1, 1), (10, 3), (30, 5)] {
        drawn(width, height);
    }
}
