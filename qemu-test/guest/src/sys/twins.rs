// SPDX-License-Identifier: GPL-2.0

//! A qdisc of ours beside the one of the kernel's that it is made after: to `tc` they differ
//! by name alone.

use std::sync::LazyLock;

use anyhow::{ensure, Context as _, Result};
use regex::{Captures, Regex};

use super::bench::Bench;
use super::cmd::{self, Output};
use super::codel::rounded_up_in;
use super::qdisc::How;
use crate::suite::Context;

/// How `tc` can be asked to show qdiscs.
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

/// The lines of `tc` that carry out each of these, such as `change KIND limit 3`, at the root
/// of `tkd0`, and have it shown once as text and once as JSON; after the second, which sets what
/// a new one has not, in all ways.
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

/// The lines of `tc` that show the qdiscs of `tkd0` in these ways.
pub fn shown(ways: &[&str]) -> Vec<String> {
    let line = |how: &&str| format!("{how} qdisc show dev tkd0");
    ways.iter().map(line).collect()
}

/// A parent that lets two of our packets, of 48 bytes, through, and no third for 104 s: the
/// others wait, one of them in front of the queue. At this rate it takes no burst of more
/// than 274 s.
pub const BLOCKED: &str =
    "tc qdisc replace dev tkd0 root handle 1: tbf rate 8bit burst 250 limit 5000 overhead 70";

/// The names of the two kinds.
#[derive(Clone, Copy, Debug)]
pub struct Twins {
    /// Ours: the other name and something before it.
    pub ours: &'static str,
    /// The kernel's.
    pub theirs: &'static str,
}

/// Runs `tc` with each of these lines, KIND being a kind's name.
///
/// # Errors
///
/// `tc` cannot be run. Its failures are part of what comes back.
pub fn session(kind: &str, lines: &[String]) -> Result<Vec<Output>> {
    lines
        .iter()
        .map(|line| cmd::output(&format!("tc {}", line.replace("KIND", kind))))
        .collect()
}

/// What is not the same twice: delays, and the turns that they decide.
static DELAY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(ldelay|drop_next)("?:?) ?-?[0-9.]+([mu]?s)?"#).expect("a fixed pattern")
});

/// What ours alone prints behind `-d`: lines of text, or a member in JSON.
static DETAILS: LazyLock<Regex> = LazyLock::new(|| {
    let lines = r"  (first_above|flows_above|drops:|marks:|sojourn:) .*\n";
    let member = r#",\s*"details": ?\{(?:[^{}]|\{[^{}]*\})*\}"#;
    Regex::new(&format!("(?m)^{lines}|{member}")).expect("a fixed pattern")
});

/// What is sent and dropped by a queue below a parent. The original counts a packet as sent when
/// the parent peeks at it, and counts neither what a change nor what a reset drops.
static COUNTS: LazyLock<Regex> = LazyLock::new(|| {
    let text = r"( parent 1:[^\n]*?[\n\\]\s*Sent )\d+ bytes \d+ pkt \(dropped \d+";
    let json = r#"("parent":\s*"1:[^{}]*(?:\{[^{}]*\})?[^{}]*?"bytes":)\s*\d+,\s*"packets":\s*\d+,\s*"drops":\s*\d+"#;
    Regex::new(&format!("{text}|{json}")).expect("a fixed pattern")
});

/// Each option in a usage text, such as `[ limit PACKETS ]`.
static OPTION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r" \[ (?:\[no\]|[^\[\]])+ \]").expect("a fixed pattern"));

/// A usage text of ours without the options that theirs has not.
fn without_own_options(ours: &str, theirs: &str) -> String {
    let shared = |option: &Captures<'_>| {
        let option = &option[0];
        if theirs.contains(option) { option } else { "" }.to_owned()
    };
    OPTION.replace_all(ours, shared).into_owned()
}

impl Twins {
    /// A text about the kernel's kind made one about ours.
    pub fn ours_in(self, text: &str) -> String {
        let word = Regex::new(&format!(r"\b{}\b", self.theirs)).expect("a kind is a word");
        word.replace_all(text, self.ours).into_owned()
    }

    /// Compares what `tc` printed for the two kinds, and returns how many bytes that were. Not
    /// compared are the name, delays, the rounding of times, counts that the original does not
    /// have, what only ours shows with `-d`, options that only ours has in the usage text and, in
    /// errors, the white space.
    ///
    /// # Errors
    ///
    /// They differ, or are not JSON where they should be.
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

    /// Does the same with both kinds, the kernel's first, in which `tc` carries out these lines,
    /// and compares what it said. Returns what it said of ours, and how many bytes that were.
    ///
    /// # Errors
    ///
    /// Those of `run`; and see [`compare`](Self::compare).
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

    /// Runs `tc` with each of these lines for both kinds, and compares what it said.
    ///
    /// # Errors
    ///
    /// See [`compare`](Self::compare).
    pub fn expect_same(self, context: &mut Context<'_>, lines: &[String]) -> Result<()> {
        let (_, size) = self.both(lines, |kind| session(kind, lines))?;
        context.note(format!("{} commands, {size} bytes the same", lines.len()))
    }

    /// Adds qdiscs of both kinds with each of these options. `tc` has to take them, and has to
    /// show the same options as JSON then, but for the rounding of times.
    ///
    /// # Errors
    ///
    /// They differ, or `tc` refuses some.
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

    /// Adds qdiscs of both kinds with each of these options. The value of the last option is one
    /// that `tc` or the kernel's kind takes for another value. For our kind `tc` has to refuse it
    /// and name the range.
    ///
    /// # Errors
    ///
    /// `tc` refuses it for the kernel's kind, or takes it for ours.
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

/// Has `tc` put a qdisc of this kind with these options in the place of another one.
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
