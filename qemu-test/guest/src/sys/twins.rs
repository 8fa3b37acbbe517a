// SPDX-License-Identifier: GPL-2.0

//! Compares a qdisc of ours with the qdisc of the kernel that it is derived from. For `tc` they
//! differ only in the name.

use std::sync::LazyLock;

use anyhow::{ensure, Context as _, Result};
use regex::{Captures, Regex};

use super::bench::Bench;
use super::cmd::{self, Output};
use super::codel::rounded_up_in;
use super::qdisc::How;
use crate::suite::Context;

/// The options of `tc` for showing qdiscs.
pub const SHOWS: &[&str] = &[
    "",
    "-s",
    "-d",
    "-s -d",
    "-r",
    "-o",
    "-s -o",
    "-j",
    "-j -s",
    "-j -p -s -d",
    "-color=always -s",
];

/// Returns lines of `tc` that run each of these commands, such as `change KIND limit 3`, at the
/// root of `tkd0`, and show the qdisc after each: as text and as JSON. After the second command,
/// which sets options that a new qdisc does not have, the qdisc is shown in all ways.
pub fn orders(all: &[&str]) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, order) in all.iter().enumerate() {
        let (verb, rest) = order.split_once(' ').expect("a verb and a kind");
        lines.push(format!("qdisc {verb} dev tkd0 root handle 1: {rest}"));
        let shows = if number == 1 { SHOWS } else { &["-s -d", "-j"] };
        lines.extend(shown(shows));
    }
    lines
}

/// Returns the lines of `tc` that show the qdiscs of `tkd0` in these ways.
pub fn shown(ways: &[&str]) -> Vec<String> {
    let line = |how: &&str| format!("{how} qdisc show dev tkd0");
    ways.iter().map(line).collect()
}

/// The command for a parent that lets two of our packets of 48 bytes through, and the third one
/// after 104 s. The other packets wait. The parent has peeked at one of them. At this rate, the
/// kernel accepts no burst of more than 274 s.
pub const BLOCKED: &str =
    "tc qdisc replace dev tkd0 root handle 1: tbf rate 8bit burst 250 limit 5000 overhead 70";

/// The names of the two kinds.
#[derive(Clone, Copy, Debug)]
pub struct Twins {
    /// Our kind: the kernel's name with a prefix.
    pub ours: &'static str,
    /// The kernel's kind.
    pub theirs: &'static str,
}

/// Runs `tc` with each of these lines. KIND is replaced by the kind's name.
///
/// # Errors
///
/// `tc` cannot be run. If `tc` fails, this is part of the returned output.
pub fn session(kind: &str, lines: &[String]) -> Result<Vec<Output>> {
    lines
        .iter()
        .map(|line| cmd::output(&format!("tc {}", line.replace("KIND", kind))))
        .collect()
}

/// Values that differ between two runs: delays, and the time of the next drop, which depends on
/// them.
static DELAY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(ldelay|drop_next)("?:?) ?-?[0-9.]+([mu]?s)?"#).expect("a fixed pattern")
});

/// The details that only our kinds show with `-d`: lines of text, or a member in JSON.
static DETAILS: LazyLock<Regex> = LazyLock::new(|| {
    let lines = r"  (first_above|flows_above|drops:|marks:|sojourn:) .*\n";
    let member = r#",\s*"details": ?\{(?:[^{}]|\{[^{}]*\})*\}"#;
    Regex::new(&format!("(?m)^{lines}|{member}")).expect("a fixed pattern")
});

/// The numbers of packets sent and dropped by a queue below a parent. The original counts a packet
/// as sent when the parent peeks at it, and does not count packets that are dropped by a change or
/// a reset.
static COUNTS: LazyLock<Regex> = LazyLock::new(|| {
    let text = r"( parent 1:[^\n]*?[\n\\]\s*Sent )\d+ bytes \d+ pkt \(dropped \d+";
    let json = r#"("parent":\s*"1:[^{}]*(?:\{[^{}]*\})?[^{}]*?"bytes":)\s*\d+,\s*"packets":\s*\d+,\s*"drops":\s*\d+"#;
    Regex::new(&format!("{text}|{json}")).expect("a fixed pattern")
});

/// Each option in a usage text, such as `[ limit PACKETS ]`.
static OPTION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r" \[ (?:\[no\]|[^\[\]])+ \]").expect("a fixed pattern"));

/// Returns the usage text of our kind without the options that the kernel's kind lacks.
fn without_own_options(ours: &str, theirs: &str) -> String {
    let shared = |option: &Captures<'_>| {
        let option = &option[0];
        if theirs.contains(option) { option } else { "" }.to_owned()
    };
    OPTION.replace_all(ours, shared).into_owned()
}

impl Twins {
    /// Replaces the name of the kernel's kind by ours in a text.
    pub fn ours_in(self, text: &str) -> String {
        let word = Regex::new(&format!(r"\b{}\b", self.theirs)).expect("a kind is a word");
        word.replace_all(text, self.ours).into_owned()
    }

    /// Compares the output of `tc` for the two kinds, and returns its length in bytes. These parts
    /// are not compared: the name, delays, the rounding of times, counts that the original does not
    /// have, details that only our kind shows with `-d`, options that only our kind has in the
    /// usage text, and white space in errors.
    ///
    /// # Errors
    ///
    /// The outputs differ, or are not JSON although `-j` was given.
    fn compare(self, lines: &[String], theirs: &[Output], ours: &[Output]) -> Result<usize> {
        let plain = |text: &str| {
            let text = text.replace(self.ours, self.theirs);
            let text = COUNTS.replace_all(&text, "$1$2 N");
            DELAY.replace_all(&text, "$1$2 N").into_owned()
        };
        let words = |text: &str| {
            let words: Vec<_> = text.split_whitespace().collect();
            words.join(" ")
        };
        let mut size = 0;
        for ((line, theirs), ours) in lines.iter().zip(theirs).zip(ours) {
            if line.starts_with("-j") {
                let parsed: Result<serde_json::Value, _> = serde_json::from_str(&ours.out);
                parsed.with_context(|| format!("tc {line}: not JSON: {}", ours.out))?;
            }
            let mut theirs = theirs.clone();
            theirs.out = rounded_up_in(&theirs.out);
            let mut ours = ours.clone();
            if line.split_whitespace().any(|word| word == "-d") {
                ours.out = DETAILS.replace_all(&ours.out, "").into_owned();
            }
            let [theirs, mut ours] = [&theirs, &ours]
                .map(|output| (output.code, plain(&output.out), words(&plain(&output.err))));
            ours.2 = without_own_options(&ours.2, &theirs.2);
            ensure!(
                ours == theirs,
                "tc {line}: expected {theirs:?}, got {ours:?}"
            );
            size += ours.1.len() + ours.2.len();
        }
        Ok(size)
    }

    /// Calls `run` for both kinds, the kernel's first, to run these lines of `tc`, and compares the
    /// outputs. Returns the output for our kind, and its length in bytes.
    ///
    /// # Errors
    ///
    /// Returns the errors of `run`, and those of [`compare`](Self::compare).
    pub fn both(
        self,
        lines: &[String],
        mut run: impl FnMut(&str) -> Result<Vec<Output>>,
    ) -> Result<(Vec<Output>, usize)> {
        let theirs = run(self.theirs)?;
        let ours = run(self.ours)?;
        let size = self.compare(lines, &theirs, &ours)?;
        Ok((ours, size))
    }

    /// Runs `tc` with each of these lines for both kinds, and compares the outputs.
    ///
    /// # Errors
    ///
    /// See [`compare`](Self::compare).
    pub fn expect_same(self, context: &mut Context<'_>, lines: &[String]) -> Result<()> {
        let (_, size) = self.both(lines, |kind| session(kind, lines))?;
        context.note(format!("{} commands, {size} bytes the same", lines.len()))
    }

    /// Adds qdiscs of both kinds with each of these options. `tc` must accept the options, and must
    /// then show the same options as JSON, except for the rounding of times.
    ///
    /// # Errors
    ///
    /// The shown options differ, or `tc` refuses some.
    pub fn expect_same_options(
        self,
        context: &mut Context<'_>,
        bench: &Bench,
        lines: &[&str],
    ) -> Result<()> {
        for line in lines {
            let shown = [self.theirs, self.ours].map(|kind| {
                let output = add(bench, kind, line)?;
                ensure!(output.code == 0, "{kind} {line}: {output:?}");
                let shown = cmd::run("tc -j qdisc show dev tkd0")?;
                Ok(shown.replace(self.ours, self.theirs))
            });
            let [theirs, ours] = shown;
            let (theirs, ours) = (rounded_up_in(&theirs?), ours?);
            ensure!(ours == theirs, "{line}: expected {theirs:?}, got {ours:?}");
        }
        context.note(format!("{} lines of options do the same", lines.len()))
    }

    /// Adds qdiscs of both kinds with each of these options. For the kernel's kind, `tc` or the
    /// kernel mistakes the value of the last option for another value. For our kind, `tc` must
    /// refuse the value and print the valid range.
    ///
    /// # Errors
    ///
    /// `tc` refuses the value for the kernel's kind, or accepts it for ours.
    pub fn expect_refused_by_ours(
        self,
        context: &mut Context<'_>,
        bench: &Bench,
        lines: &[&str],
    ) -> Result<()> {
        for line in lines {
            let output = add(bench, self.theirs, line)?;
            ensure!(output.code == 0, "{} {line}: {output:?}", self.theirs);
            let output = add(bench, self.ours, line)?;
            let option = line.split_whitespace().rev().nth(1).unwrap_or_default();
            let range = format!("Illegal \"{option}\": allowed is ");
            ensure!(
                output.code == 1 && output.err.starts_with(&range),
                "{} {line}: expected exit status 1 and `{range}`, got {output:?}",
                self.ours
            );
            let kept = bench.show()?.kind;
            ensure!(kept == "pfifo", "{} {line}: {kept} is there", self.ours);
        }
        context.note(format!("{} lines of options are refused", lines.len()))
    }
}

/// Replaces the qdisc of the device by one of this kind with these options, by `tc`.
fn add(bench: &Bench, kind: &str, options: &str) -> Result<Output> {
    bench
        .tc
        .put(How::Replace, bench.device.index, "pfifo", None)??;
    cmd::output(&format!(
        "tc qdisc replace dev tkd0 root handle 1: {kind} {options}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWINS: Twins = Twins {
        ours: "rcodel",
        theirs: "codel",
    };

    fn compare(line: &str, theirs: &str, ours: &str) -> Result<usize> {
        let output = |out: &str| Output {
            code: 0,
            out: out.to_owned(),
            err: String::new(),
        };
        TWINS.compare(&[line.to_owned()], &[output(theirs)], &[output(ours)])
    }

    #[test]
    fn times_are_those_of_the_original_rounded_up() {
        let text =
            |name: &str, us: u32| format!("qdisc {name} 1: limit 5p target {us}us interval 5ms");
        assert!(compare("", &text("codel", 79), &text("rcodel", 80)).is_ok());
        assert!(compare("", &text("codel", 79), &text("rcodel", 79)).is_err());
        let json =
            |name: &str, us: u32| format!(r#"[{{"kind":"{name}","target":{us},"limit":79}}]"#);
        assert!(compare("-j", &json("codel", 4999), &json("rcodel", 5000)).is_ok());
        assert!(compare("-j", &json("codel", 4999), &json("rcodel", 5001)).is_err());
    }

    #[test]
    fn below_a_parent_what_is_sent_and_dropped_may_differ() {
        let text = |name: &str, place: &str, sent: u32| {
            let counts = format!("Sent {sent} bytes 1 pkt (dropped 3, overlimits 0");
            format!("qdisc {name} 10: dev d0 {place} limit 5p\n {counts}")
        };
        let [theirs, ours] =
            [("codel", 96), ("rcodel", 48)].map(|(name, sent)| text(name, "parent 1:1", sent));
        assert!(compare("-s", &theirs, &ours).is_ok());
        let [theirs, ours] =
            [("codel", 96), ("rcodel", 48)].map(|(name, sent)| text(name, "root", sent));
        assert!(compare("-s", &theirs, &ours).is_err());
        let json = |name: &str, sent: u32| {
            format!(
                r#"[{{"kind":"{name}","parent":"1:1","options":{{"limit":5}},"bytes":{sent},"packets":1,"drops":{sent},"qlen":7}}]"#
            )
        };
        assert!(compare("-j -s", &json("codel", 96), &json("rcodel", 48)).is_ok());
        assert!(compare(
            "-j -s",
            &json("codel", 96),
            &json("rcodel", 48).replace(":7", ":8")
        )
        .is_err());
    }

    #[test]
    fn own_options_are_cut_out_of_a_usage_text() {
        let theirs = "Usage: ... codel [ limit PACKETS ] [ [no]ecn ]";
        let ours = "Usage: ... codel [ limit PACKETS ] [ [no]x ] [ [no]ecn ] [ y | z ]";
        assert_eq!(without_own_options(ours, theirs), theirs);
        assert_eq!(
            without_own_options("Illegal \"limit\"", theirs),
            "Illegal \"limit\""
        );
    }
}
