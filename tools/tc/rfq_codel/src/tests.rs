// SPDX-License-Identifier: GPL-2.0

//! Tests the plug-in `q_rfq_codel.so`. The expected results are those of `tc` in iproute2 6.15 for
//! `fq_codel`.

use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use serde_json::json;
use tackle_core::codel::MAX_US;
use tackle_tc::{Error, Options, Qdisc, Words};
use tackle_tc_fake::{Plugin, Printed};

use super::{RfqCodel, QDISC_UTIL};

/// Returns attributes in the format of netlink messages. The value has one byte from the selector
/// on, and four bytes in the attributes before it.
fn attributes(fields: &[(u8, u32)]) -> Vec<u8> {
    let attribute = |(kind, value): &(u8, u32)| {
        let length = if *kind < 10 { 8 } else { 5 };
        [&[length, 0, *kind, 0], &value.to_le_bytes()[..]].concat()
    };
    fields.iter().flat_map(attribute).collect()
}

fn plugin() -> Plugin {
    Plugin::new(&QDISC_UTIL)
}

fn print(fields: &[(u8, u32)]) -> Printed {
    plugin().print(Some(&attributes(fields))).unwrap()
}

#[test]
fn options_become_attributes() {
    assert_eq!(plugin().parse_line(""), Ok(vec![]));
    let all = "drop_batch 7 ce_threshold_selector 0x1/3 ce_threshold 1ms noecn target 5ms \
               quantum 300 memory_limit 2mb interval 100ms flows 16 limit 1000 ecn";
    let expected = [
        (2, 1000),
        (5, 16),
        (6, 300),
        (3, 100_000),
        (1, 5000),
        (4, 1),
        (7, 1000),
        (9, 2 << 20),
        (8, 7),
        (11, 3),
        (10, 1),
    ];
    assert_eq!(plugin().parse_line(all), Ok(attributes(&expected)));
    assert_eq!(plugin().parse_line("noecn"), Ok(attributes(&[(4, 0)])));
    assert_eq!(
        plugin().parse_line("nohistogram histogram"),
        Ok(attributes(&[(32, 1)]))
    );
}

#[test]
fn values_that_mean_nothing_are_not_sent() {
    let nothing = "limit 0 flows 0 quantum 0 target 0 interval 0us drop_batch 0";
    assert_eq!(plugin().parse_line(nothing), Ok(vec![]));
    assert_eq!(plugin().parse_line("memory_limit 4294967295"), Ok(vec![]));
    let least = "ce_threshold 0 memory_limit 0 ce_threshold_selector 0/0";
    let expected = [(7, 0), (9, 0), (11, 0), (10, 0)];
    assert_eq!(plugin().parse_line(least), Ok(attributes(&expected)));
}

#[test]
fn values_are_those_that_fq_codel_takes() {
    let line = "limit +5 flows 0x10 memory_limit 0x10kb target 0x10us \
                ce_threshold_selector +1/+03";
    let expected = [(2, 5), (5, 16), (1, 16), (9, 16 << 10), (11, 3), (10, 1)];
    assert_eq!(plugin().parse_line(line), Ok(attributes(&expected)));
    // This differs from `fq_codel`, which treats the value 255 as none.
    let all = plugin().parse_line("ce_threshold_selector 255/255");
    assert_eq!(all, Ok(attributes(&[(11, 255), (10, 255)])));
}

#[test]
fn the_longest_times() {
    let line = "target 2199023254us interval 2199.023254s ce_threshold 2199023254";
    let expected = [(3, MAX_US), (1, MAX_US), (7, MAX_US)];
    assert_eq!(plugin().parse_line(line), Ok(attributes(&expected)));
    for option in ["target", "interval", "ce_threshold"] {
        for time in ["2199023255us", "2200s", "4294967295us"] {
            assert_eq!(plugin().parse_line(&format!("{option} {time}")), Err(-1));
        }
    }
}

#[test]
fn errors_say_which_option() {
    let refuse = |line: &str| {
        let mut words: Words<'_> = line.split_whitespace().collect();
        RfqCodel::parse(&mut words, &mut Options::default()).unwrap_err()
    };
    for (option, range) in [
        ("limit", "4294967295"),
        ("flows", "4294967295"),
        ("quantum", "4294967295"),
        ("drop_batch", "4294967295"),
        ("memory_limit", "4294967295 bytes"),
        ("target", "0us to 2199023254us (2199s)"),
        ("interval", "0us to 2199023254us (2199s)"),
        ("ce_threshold", "0us to 2199023254us (2199s)"),
        ("ce_threshold_selector", "VALUE/MASK"),
    ] {
        let text = refuse(&format!("ecn {option} few")).to_string();
        assert!(text.starts_with(&format!("Illegal \"{option}\"")), "{text}");
        assert!(text.contains(range), "{text}");
        assert_eq!(refuse(&format!("ecn {option}")), Error::Incomplete);
    }
    assert_eq!(refuse("limit 3 foo 1").to_string(), "What is \"foo\"?");
    assert_eq!(refuse("ecn help limit"), Error::Help);
}

#[test]
fn options_are_printed_as_those_of_fq_codel() {
    // The order of the attributes does not matter.
    let printed = print(&[
        (1, 5000),
        (2, 10_240),
        (3, 100_000),
        (4, 1),
        (6, 1514),
        (8, 64),
        (9, 32 << 20),
        (5, 1024),
        (7, 999),
        (10, 0x50),
        (11, 0xfc),
        (32, 1),
    ]);
    assert_eq!(
        printed.text,
        "limit 10240p flows 1024 quantum 1514 target 5ms ce_threshold 999us \
         ce_threshold_selector 0x50/0xfc interval 100ms memory_limit 32Mb ecn drop_batch 64 \
         histogram "
    );
    let json = [
        ("limit", json!(10_240)),
        ("flows", json!(1024)),
        ("quantum", json!(1514)),
        ("target", json!(5000)),
        ("ce_threshold", json!(999)),
        ("ce_threshold_selector", json!(0x50)),
        ("ce_threshold_mask", json!(0xfc)),
        ("interval", json!(100_000)),
        ("memory_limit", json!(32 << 20)),
        ("ecn", json!(true)),
        ("drop_batch", json!(64)),
        ("histogram", json!(true)),
    ];
    assert_eq!(printed.json, Printed::members(json));
}

#[test]
fn an_option_that_is_off_or_absent_is_not_printed() {
    let printed = print(&[(2, 0), (4, 0), (8, 0), (10, 0), (11, 0), (9, 100_000)]);
    assert_eq!(printed.text, "limit 0p memory_limit 100000b ");
    assert_eq!(
        print(&[(10, 0), (11, 3)]).text,
        "ce_threshold_selector 0/0x3 "
    );
    assert_eq!(print(&[]), Printed::default());
}

#[test]
fn statistics_of_a_queue() {
    assert_eq!(
        plugin().print_members(&[0; 10]).text,
        "  maxpacket 0 drop_overlimit 0 new_flow_count 0 ecn_mark 0\n  \
         new_flows_len 0 old_flows_len 0"
    );
    let printed = plugin().print_members(&[0, 1514, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(
        printed.text,
        "  maxpacket 1514 drop_overlimit 1 new_flow_count 3 ecn_mark 2 ce_mark 6 \
         memory_used 7 drop_overmemory 8\n  new_flows_len 4 old_flows_len 5"
    );
    let json = [
        ("maxpacket", json!(1514)),
        ("drop_overlimit", json!(1)),
        ("new_flow_count", json!(3)),
        ("ecn_mark", json!(2)),
        ("ce_mark", json!(6)),
        ("memory_used", json!(7)),
        ("drop_overmemory", json!(8)),
        ("new_flows_len", json!(4)),
        ("old_flows_len", json!(5)),
    ];
    assert_eq!(printed.json, Printed::members(json));
}

#[test]
fn details_of_a_queue_and_of_a_flow() {
    let print = |of: [u32; 10], fields: &[(u8, u32)]| {
        let mut xstats: Vec<u8> = of.into_iter().flat_map(u32::to_ne_bytes).collect();
        xstats.extend(attributes(fields));
        let plain = plugin().print_xstats(Some(&xstats)).unwrap();
        let printed = plugin().with_details().print_xstats(Some(&xstats)).unwrap();
        let details = printed.text.strip_prefix(&plain.text).map(str::to_owned);
        (details.unwrap(), printed.json[plain.json.len()..].to_vec())
    };
    let of_queue = [0, 1514, 10, 2, 3, 4, 5, 6, 7, 8];
    let (text, json) = print(of_queue, &[(2, 9), (3, 4), (4, 1), (5, 3), (6, 2), (8, 7)]);
    assert_eq!(
        text,
        "\n  flows_above 3 flows_dropping 2\n  \
         drops: target 9 overlimit 2 overmemory 8 change 4 reset 7 filter 1\n  \
         marks: target 2 ce_threshold 6"
    );
    let details = json!({
        "flows_above": 3,
        "flows_dropping": 2,
        "drops": {
            "target": 9, "overlimit": 2, "overmemory": 8, "change": 4, "reset": 7, "filter": 1
        },
        "marks": {"target": 2, "ce_threshold": 6},
    });
    assert_eq!(json, Printed::members([("details", details)]));

    let of_flow = [1, 300, 7250, 12, 3, 0, 0, 0, 0, 0];
    let (text, json) = print(of_flow, &[(1, 2500)]);
    assert_eq!(text, "\n  first_above 2.5ms");
    let details = json!({"first_above": 2500});
    assert_eq!(json, Printed::members([("details", details)]));
    assert_eq!(print(of_flow, &[]), (String::new(), vec![]));
}

#[test]
fn statistics_of_a_flow() {
    let printed = plugin().print_members(&[1, -18i32 as u32, 7250, 12, 3, 0, 99, 0, 0, 0]);
    assert_eq!(
        printed.text,
        "  deficit -18 count 12 lastcount 3 ldelay 7.25ms"
    );
    let printed = plugin().print_members(&[1, 300, 7250, 12, 3, 1, -1500i32 as u32]);
    assert_eq!(
        printed.text,
        "  deficit 300 count 12 lastcount 3 ldelay 7.25ms dropping drop_next -1.5ms"
    );
    let json = [
        ("deficit", json!(300)),
        ("count", json!(12)),
        ("lastcount", json!(3)),
        ("ldelay", json!(7250)),
        ("dropping", json!(true)),
        ("drop_next", json!(-1500)),
    ];
    assert_eq!(printed.json, Printed::members(json));
}

#[test]
fn statistics_of_an_unknown_kind_are_left_out() {
    assert_eq!(plugin().print_members(&[2; 10]), Printed::default());
}

proptest! {
    #[test]
    fn whatever_the_kernel_sends_is_printed(bytes in vec(any::<u8>(), 0..120)) {
        let plugin = plugin().with_details();
        prop_assert!(plugin.print(Some(&bytes)).is_ok());
        prop_assert!(plugin.print_xstats(Some(&bytes)).is_ok());
    }

    #[test]
    fn whatever_the_user_types_is_taken_or_refused(
        words in vec("limit|histogram|flows|quantum|memory_limit|ce_threshold_selector|ecn|[0-9/x.+-]{0,6}[mu]?s?|\\PC{0,4}", 0..8),
    ) {
        let mut options = Options::default();
        let mut words: Words<'_> = words.iter().map(String::as_str).collect();
        let parsed = RfqCodel::parse(&mut words, &mut options);
        // A refused line sends nothing, and each option is sent at most once.
        prop_assert!(parsed.is_ok() || options.as_bytes().is_empty());
        let mut kinds = tackle_tc_fake::kinds(options.as_bytes());
        let sent = kinds.len();
        kinds.sort_unstable();
        kinds.dedup();
        prop_assert_eq!(kinds.len(), sent);
    }
}

#[test]
fn sizes_that_are_printed_can_be_set_again() {
    for bytes in [1, 1030, 12_345, 2_097_252, 32 << 20, 1_073_742_848, 1 << 31] {
        let text = plugin()
            .print(Some(&attributes(&[(9, bytes)])))
            .unwrap()
            .text;
        let expected = Ok(attributes(&[(9, bytes)]));
        assert_eq!(plugin().parse_line(text.trim_end()), expected, "{text}");
    }
}
