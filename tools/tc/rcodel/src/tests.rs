// SPDX-License-Identifier: GPL-2.0

//! Tests the plug-in `q_rcodel.so`. The expected results are those of `tc` in iproute2 6.15 for
//! `codel`.

use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use serde_json::json;
use tackle_core::codel::MAX_US;
use tackle_tc::{Error, Options, Qdisc, Words};
use tackle_tc_fake::{Plugin, Printed};

use super::{Rcodel, QDISC_UTIL};

/// Returns attributes in the format of netlink messages.
fn attributes(fields: &[(u8, u32)]) -> Vec<u8> {
    let attribute =
        |(kind, value): &(u8, u32)| [&[8, 0, *kind, 0], &value.to_ne_bytes()[..]].concat();
    fields.iter().flat_map(attribute).collect()
}

fn plugin() -> Plugin {
    Plugin::new(&QDISC_UTIL)
}

fn print(fields: &[(u8, u32)]) -> Printed {
    plugin().print(Some(&attributes(fields))).unwrap()
}

#[test]
fn options_become_attributes_in_the_order_of_codel() {
    assert_eq!(plugin().parse_line(""), Ok(vec![]));
    let all = "ce_threshold 1ms noecn target 5ms interval 100ms limit 1000 ecn";
    let expected = [(2, 1000), (3, 100_000), (1, 5000), (4, 1), (5, 1000)];
    assert_eq!(plugin().parse_line(all), Ok(attributes(&expected)));
    assert_eq!(plugin().parse_line("noecn"), Ok(attributes(&[(4, 0)])));
    for (word, on) in [("histogram", 1), ("histogram nohistogram", 0)] {
        assert_eq!(
            plugin().parse_line(word),
            Ok(vec![5, 0, 32, 0, on, 0, 0, 0])
        );
    }
    assert_eq!(
        plugin().parse_line("limit 1 limit 2"),
        Ok(attributes(&[(2, 2)]))
    );
}

#[test]
fn values_that_mean_nothing_are_not_sent() {
    assert_eq!(
        plugin().parse_line("limit 0 target 0 interval 0us"),
        Ok(vec![])
    );
    assert_eq!(
        plugin().parse_line("ce_threshold 0"),
        Ok(attributes(&[(5, 0)]))
    );
}

#[test]
fn ends_of_ranges() {
    let line = "limit 4294967295 target 2199023254us interval 1us ce_threshold 2199.023254s";
    let expected = [(2, u32::MAX), (3, 1), (1, MAX_US), (5, MAX_US)];
    assert_eq!(plugin().parse_line(line), Ok(attributes(&expected)));
    for line in [
        "limit 4294967296",
        "limit -1",
        "target 2199023255us",
        "target 4295s",
        "interval 2200s",
        "interval -1us",
        "ce_threshold 4294967295us",
    ] {
        assert_eq!(plugin().parse_line(line), Err(-1), "{line}");
    }
}

#[test]
fn values_are_those_that_codel_takes() {
    let line = "limit +5 target 0x10us interval .5MSEC ce_threshold +2e3";
    let expected = [(2, 5), (3, 500), (1, 16), (5, 2000)];
    assert_eq!(plugin().parse_line(line), Ok(attributes(&expected)));
}

#[test]
fn errors_say_which_option() {
    let refuse = |line: &str| {
        let mut words: Words<'_> = line.split_whitespace().collect();
        Rcodel::parse(&mut words, &mut Options::default()).unwrap_err()
    };
    let time = "a time from 0us to 2199023254us (2199s), in s, ms or us";
    for (option, allowed) in [
        ("limit", "a number from 0 to 4294967295"),
        ("target", time),
        ("interval", time),
        ("ce_threshold", time),
    ] {
        let text = refuse(&format!("ecn {option} few")).to_string();
        assert_eq!(text, format!("Illegal \"{option}\": allowed is {allowed}"));
        assert_eq!(refuse(&format!("ecn {option}")), Error::Incomplete);
    }
    assert_eq!(refuse("limit 3 foo 1").to_string(), "What is \"foo\"?");
    assert_eq!(refuse("ecn help limit"), Error::Help);
}

#[test]
fn options_are_printed_as_those_of_codel() {
    // The order of the attributes does not matter.
    let off = [5, 0, 32, 0, 0, 0, 0, 0];
    assert_eq!(plugin().print(Some(&off)), Ok(Printed::default()));
    let on = plugin().print(Some(&[5, 0, 32, 0, 1, 0, 0, 0])).unwrap();
    assert_eq!(on.text, "histogram ");
    assert_eq!(on.json, Printed::members([("histogram", json!(true))]));

    let printed = print(&[(1, 5000), (2, 1000), (3, 100_000), (4, 1), (5, 999)]);
    assert_eq!(
        printed.text,
        "limit 1000p target 5ms ce_threshold 999us interval 100ms ecn "
    );
    let json = [
        ("limit", json!(1000)),
        ("target", json!(5000)),
        ("ce_threshold", json!(999)),
        ("interval", json!(100_000)),
        ("ecn", json!(true)),
    ];
    assert_eq!(printed.json, Printed::members(json));
}

#[test]
fn options_that_are_printed_can_be_set_again() {
    for us in [
        0,
        1,
        999,
        1000,
        1234,
        12_345,
        100_000,
        1_234_567,
        2_199_000_000,
        MAX_US,
    ] {
        let text = print(&[(1, us)]).text;
        let expected = attributes(&[(1, us)]);
        // For 0 no attribute is sent, so the kernel keeps the present value.
        let expected = if us == 0 { Vec::new() } else { expected };
        assert_eq!(plugin().parse_line(text.trim_end()), Ok(expected), "{text}");
    }
    assert_eq!(print(&[(1, 12_345)]).text, "target 12345us ");
    assert_eq!(print(&[(1, 12_300)]).text, "target 12.3ms ");
}

#[test]
fn an_option_that_is_off_or_absent_is_not_printed() {
    let printed = print(&[(2, 0), (4, 0), (1, 1_500_000)]);
    assert_eq!(printed.text, "limit 0p target 1.5s ");
    let json = [("limit", json!(0)), ("target", json!(1_500_000))];
    assert_eq!(printed.json, Printed::members(json));
    assert_eq!(print(&[]), Printed::default());
}

#[test]
fn statistics_of_a_new_queue() {
    assert_eq!(
        plugin().print_members(&[0; 9]).text,
        "  count 0 lastcount 0 ldelay 0us drop_next 0us\n  \
         maxpacket 0 ecn_mark 0 drop_overlimit 0"
    );
}

#[test]
fn statistics_of_a_queue_that_drops() {
    let printed = plugin().print_members(&[1514, 12, 3, 7250, -1500i32 as u32, 4, 5, 1, 6]);
    assert_eq!(
        printed.text,
        "  count 12 lastcount 3 ldelay 7.25ms dropping drop_next -1.5ms\n  \
         maxpacket 1514 ecn_mark 5 drop_overlimit 4 ce_mark 6"
    );
    let json = [
        ("count", json!(12)),
        ("lastcount", json!(3)),
        ("ldelay", json!(7250)),
        ("dropping", json!(true)),
        ("drop_next", json!(-1500)),
        ("maxpacket", json!(1514)),
        ("ecn_mark", json!(5)),
        ("drop_overlimit", json!(4)),
        ("ce_mark", json!(6)),
    ];
    assert_eq!(printed.json, Printed::members(json));
}

#[test]
fn statistics_of_an_older_kernel_are_short() {
    let printed = plugin().print_members(&[1514, 12, 3]);
    assert_eq!(
        printed.text,
        "  count 12 lastcount 3 ldelay 0us drop_next 0us\n  \
         maxpacket 1514 ecn_mark 0 drop_overlimit 0"
    );
}

/// Returns statistics with the attributes that `codel` does not have.
fn detailed(members: [u32; 9], fields: &[(u8, u32)], sojourn: Option<&[u64]>) -> Vec<u8> {
    let mut bytes: Vec<u8> = members.into_iter().flat_map(u32::to_ne_bytes).collect();
    bytes.extend(attributes(fields));
    if let Some(words) = sojourn {
        bytes.extend([(4 + 8 * words.len()) as u8, 0, 7, 0]);
        bytes.extend(words.iter().copied().flat_map(u64::to_ne_bytes));
    }
    bytes
}

#[test]
fn details_are_for_those_who_ask() {
    let members = [1514, 12, 3, 7250, 0, 4, 5, 0, 6];
    let fields = [(1, -1500i32 as u32), (2, 9), (3, 1)];
    let xstats = detailed(members, &fields, Some(&[40, 2, 0, 1 << 40]));
    // Without `-d` the output is the same as for `codel`.
    let plain = plugin().print_xstats(Some(&xstats)).unwrap();
    assert_eq!(plain, plugin().print_members(&members));

    let printed = plugin().with_details().print_xstats(Some(&xstats)).unwrap();
    let details = printed.text.strip_prefix(&plain.text);
    let expected = "\n  first_above -1.5ms\n  \
         drops: target 9 overlimit 4 change 1 reset 0\n  \
         marks: target 5 ce_threshold 6\n  \
         sojourn: 1099511627778 packets\n   \
         2.1ms - 2.62ms: 2\n   \
         3.15ms - 3.67ms: 1099511627776";
    assert_eq!(details, Some(expected));
    let json = json!({
        "first_above": -1500,
        "drops": {"target": 9, "overlimit": 4, "change": 1, "reset": 0},
        "marks": {"target": 5, "ce_threshold": 6},
        "sojourn": [
            {"low": 2097, "high": 2621, "count": 2},
            {"low": 3145, "high": 3670, "count": 1u64 << 40},
        ],
    });
    assert_eq!(printed.json.last(), Some(&("details".to_owned(), json)));
    assert_eq!(printed.json[..plain.json.len()], plain.json);
}

#[test]
fn what_the_kernel_does_not_tell_is_left_out() {
    let plugin = plugin().with_details();
    let old = plugin.print_members(&[0; 9]);
    assert_eq!(old, self::plugin().print_members(&[0; 9]));
    let xstats = detailed([0; 9], &[(2, 0), (3, 0)], None);
    let printed = plugin.print_xstats(Some(&xstats)).unwrap();
    let details = printed.text.strip_prefix(&old.text);
    let expected = "\n  drops: target 0 overlimit 0 change 0 reset 0\n  \
         marks: target 0 ce_threshold 0";
    assert_eq!(details, Some(expected));
    let xstats = detailed([0; 9], &[], Some(&[0]));
    let printed = plugin.print_xstats(Some(&xstats)).unwrap();
    assert!(
        printed.text.ends_with("\n  sojourn: 0 packets"),
        "{}",
        printed.text
    );
}

#[test]
fn the_longest_way_to_the_next_drop() {
    let printed = plugin().print_members(&[0, 0, 0, 0, i32::MIN as u32]);
    assert!(
        printed.text.contains(" drop_next -2.15e+03s\n"),
        "{}",
        printed.text
    );
}

proptest! {
    #[test]
    fn whatever_the_kernel_sends_is_printed(bytes in vec(any::<u8>(), 0..120)) {
        let plugin = plugin().with_details();
        prop_assert!(plugin.print(Some(&bytes)).is_ok());
        prop_assert!(plugin.print_xstats(Some(&bytes)).is_ok());
    }

    #[test]
    fn attributes_in_any_order_and_number_are_printed(
        fields in vec((0u8..8, any::<u32>()), 0..12),
    ) {
        let printed = print(&fields);
        let first = |kind| fields.iter().find(|(other, _)| *other == kind);
        let limit = first(2).map(|(_, limit)| json!(limit));
        let shown = printed.json.iter().find(|(key, _)| key == "limit");
        prop_assert!(shown.map(|(_, value)| value) == limit.as_ref());
    }

    #[test]
    fn whatever_the_user_types_is_taken_or_refused(
        words in vec("limit|histogram|target|interval|ecn|ce_threshold|[0-9a-fx.+-]{0,6}[mu]?s?|\\PC{0,4}", 0..8),
    ) {
        let mut options = Options::default();
        let mut words: Words<'_> = words.iter().map(String::as_str).collect();
        let parsed = Rcodel::parse(&mut words, &mut options);
        // A refused line sends nothing, and each option is sent at most once.
        prop_assert!(parsed.is_ok() || options.as_bytes().is_empty());
        let mut kinds = tackle_tc_fake::kinds(options.as_bytes());
        let sent = kinds.len();
        kinds.sort_unstable();
        kinds.dedup();
        prop_assert_eq!(kinds.len(), sent);
    }
}
