// SPDX-License-Identifier: GPL-2.0

//! A plug-in's table, called as `tc` calls it.

use serde_json::json;
use tackle_tc::{Attributes, Error, Options, Printer, Qdisc, Time, Words};
use tackle_tc_fake::Plugin;

/// Sends each number that it is given, and shows what it can.
struct Numbers;

impl Qdisc for Numbers {
    const USAGE: &'static [&'static str] = &["[ number N ]", "[ panic ]"];

    fn parse(words: &mut Words<'_>, options: &mut Options) -> Result<(), Error> {
        while let Some(word) = words.next() {
            match word {
                "number" => options.put_u32(1, words.number()?),
                "panic" => panic!("as asked"),
                other => return Err(Error::unknown(other)),
            }
        }
        Ok(())
    }

    fn print(options: &Attributes<'_>, out: &mut Printer) {
        let number = options.u32(1).expect("a number");
        out.uint(c"number", number, format_args!("number {number} % "));
        out.int(c"signed", number as i32, "");
        out.bool(c"odd", number % 2 == 1, "%s ");
        out.newline();
    }

    fn print_xstats(xstats: &[u8], out: &mut Printer) {
        out.uint(c"length", xstats.len() as u32, Time(xstats.len() as u32));
    }
}

tackle_tc::plugin!("numbers", Numbers);

fn plugin() -> Plugin {
    Plugin::new(&QDISC_UTIL)
}

/// The attribute of kind 1.
fn number(number: u32) -> Vec<u8> {
    [&[8, 0, 1, 0], &number.to_ne_bytes()[..]].concat()
}

#[test]
fn the_table_has_the_kind_and_no_classes() {
    assert_eq!(plugin().id(), "numbers");
    assert!(!plugin().has_classes());
}

#[test]
fn words_become_one_attribute_of_options() {
    assert_eq!(plugin().parse(&[]), Ok(vec![]));
    assert_eq!(plugin().parse(&["number", "7"]), Ok(number(7)));
    let many = [["number", "1"]; 100].concat();
    assert_eq!(plugin().parse(&many), Ok(number(1).repeat(100)));
}

#[test]
fn a_refusal_adds_nothing() {
    assert_eq!(plugin().parse(&["number", "1", "nonsense"]), Err(-1));
    assert_eq!(plugin().parse(&["number", "-1"]), Err(-1));
}

#[test]
fn more_than_there_is_room_for_is_refused() {
    let many = [["number", "1"]; 200].concat();
    assert_eq!(plugin().parse(&many), Err(-1));
}

#[test]
fn a_panic_stays_inside() {
    assert_eq!(plugin().parse(&["panic"]), Err(-1));
    assert_eq!(plugin().print(Some(&[])), Err(-1));
}

#[test]
fn values_are_printed_as_text_and_as_json() {
    let printed = plugin().print(Some(&number(u32::MAX))).unwrap();
    // Formats of C are text like any other.
    assert_eq!(printed.text, "number 4294967295 % %s \n");
    let json = [
        ("number", json!(u32::MAX)),
        ("signed", json!(-1)),
        ("odd", json!(true)),
    ];
    assert_eq!(
        printed.json,
        json.map(|(key, value)| (key.to_owned(), value))
    );
}

#[test]
fn nothing_prints_nothing() {
    let nothing = tackle_tc_fake::Printed::default();
    assert_eq!(plugin().print(None), Ok(nothing.clone()));
    assert_eq!(plugin().print_xstats(None), Ok(nothing));
}

#[test]
fn statistics_are_as_long_as_they_came() {
    for length in [0, 3, 36, 1024] {
        let printed = plugin().print_xstats(Some(&vec![1; length])).unwrap();
        assert_eq!(printed.json, [("length".to_owned(), json!(length))]);
        assert_eq!(printed.text, Time(length as u32).to_string());
    }
}
