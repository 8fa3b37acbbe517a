// SPDX-License-Identifier: GPL-2.0

//! Queues as `tc` prints them.

mod fake;

use std::time::Duration;

use fake::{error, put, Fake};
use ratatui::backend::TestBackend;
use ratatui::Terminal;
use tackle_cli::qdisc::sample::{parse, Device, Queue};
use tackle_cli::qdisc::screen::draw;
use tackle_cli::qdisc::watch::{plain, rows, Rates, Row};

/// What `tc -j -s -d qdisc show` prints of a tree, with `hfsc`, whose options are no JSON.
fn tree(sent: u64, counts: [u64; 3]) -> Vec<Queue> {
    let [short, long, drops] = counts;
    let text = format!(
        r#"[{{"kind":"hfsc","handle":"1:","root":true,"options":{{default 1 }},"bytes":9,
            "packets":1,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}},
        {{"kind":"rcodel","handle":"10:","parent":"1:1",
            "options":{{"limit":1000,"target":4999,"interval":99999,"histogram":true}},
            "bytes":{sent},"packets":7,"drops":{drops},"overlimits":0,"requeues":0,
            "backlog":3028,"qlen":2,"count":8,"lastcount":7,"ldelay":7250,"drop_next":-12,
            "maxpacket":1514,"ecn_mark":3,"drop_overlimit":0,"ce_mark":1,
            "details":{{"first_above":-12,
                "drops":{{"target":{drops},"overlimit":0,"change":0}},
                "marks":{{"target":3,"ce_threshold":1}},
                "sojourn":[{{"low":0,"high":1,"count":{short}}},
                    {{"low":4000,"high":5000,"count":{long}}}]}}}},
        {{"kind":"fq_codel","handle":"20:","parent":"1:2","bytes":0,"packets":0,"drops":0,
            "backlog":0,"qlen":0,"maxpacket":0,"drop_overlimit":0,"new_flow_count":0}}]"#
    );
    parse(&text).unwrap()
}

/// A device of a machine that has others, too.
fn device(fake: &Fake, name: &str) -> anyhow::Result<Device> {
    for name in ["lo", "eth0"] {
        put(
            fake.roots.sys.join("class/net").join(name).join("ifindex"),
            "1",
        );
    }
    Device::new(&fake.roots, name)
}

fn controlled(queues: Vec<Queue>) -> Vec<Queue> {
    let fake = Fake::new();
    device(&fake, "lo").unwrap().controlled(queues).unwrap()
}

/// Two looks, 2 s apart.
fn looks() -> Vec<Row> {
    let first = rows(controlled(tree(1_000, [10, 0, 3])), &[], None);
    let second = controlled(tree(251_000, [10, 100, 23]));
    rows(second, &first, Some(Duration::from_secs(2)))
}

#[test]
fn an_unknown_device_is_told_with_those_that_there_are() {
    let fake = Fake::new();
    assert_eq!(
        error(device(&fake, "eth1")),
        "no device eth1; there are: eth0, lo"
    );
}

#[test]
fn queues_without_codel_are_told() {
    let fake = Fake::new();
    let queues = parse(r#"[{"kind":"noqueue","handle":"0:","root":true}]"#).unwrap();
    let text = error(device(&fake, "lo").unwrap().controlled(queues));
    assert!(
        text.starts_with("lo has no rcodel, rfq_codel, codel, fq_codel but noqueue"),
        "{text}"
    );
}

#[test]
fn what_is_no_json_is_told() {
    for text in ["", "qdisc noqueue 0: dev lo root", "[{default "] {
        let text = error(parse(text));
        assert!(text.starts_with("tc prints something else"), "{text}");
    }
}

#[test]
fn the_first_look_has_totals() {
    let rows = rows(controlled(tree(1_000, [1, 0, 3])), &[], None);
    assert_eq!(
        rows.iter()
            .map(|row| &row.queue.kind[..])
            .collect::<Vec<_>>(),
        ["rcodel", "fq_codel"]
    );
    assert_eq!(
        plain(&rows[0]),
        "rcodel 10: parent 1:1 delay=7.25ms p50=500ns p95=950ns p99=990ns packets=7 bytes=1000 \
         per-second=- drops=3 marks=4 backlog=3028 qlen=2 drops.change=0 drops.overlimit=0 \
         drops.target=3 marks.ce_threshold=1 marks.target=3\n  \
         0 ns - 1.00 us  1\n  \
         4.00 ms - 5.00 ms  0"
            .replace("\n  0 ns - 1.00 us", "\n       0 ns - 1.00 us")
            .replace("\n  4.00", "\n    4.00")
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
    // The 100 new ones alone, spread over their bucket.
    let delay = row.delay.unwrap();
    assert_eq!((delay.p50, delay.p95, delay.p99), (4500.0, 4950.0, 4990.0));
    assert_eq!(row.delays, [0, 4950]);
    assert_eq!(row.losses, [10]);
    assert_eq!(row.bits, [1_000_000]);
}

#[test]
fn an_emptied_histogram_begins_anew() {
    let first = rows(controlled(tree(1_000, [10, 50, 0])), &[], None);
    let second = controlled(tree(1_000, [4, 0, 0]));
    let rows = rows(second, &first, Some(Duration::from_secs(1)));
    assert_eq!(rows[0].delay.unwrap().p50, 0.5);
}

#[test]
fn a_new_queue_in_the_place_of_another_has_no_rates() {
    let first = rows(controlled(tree(1_000, [1, 0, 3])), &[], None);
    let second = controlled(tree(10, [1, 0, 0]));
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
        "delay p50 4.50 ms p95 4.95 ms p99 4.99 ms",
        "drops 10.0/s marks 0.0/s target 23",
        "rate 1.00 Mbit/s, 0.0 packets/s",
        "packets that waited for",
        "4.00 ms",
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
