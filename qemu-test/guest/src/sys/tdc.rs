// SPDX-License-Identifier: GPL-2.0

//! Runs the kernel's test cases of a qdisc on our qdisc that is derived from it.
//!
//! Source: `tools/testing/selftests/tc-testing/tc-tests/qdiscs`; `tdc.py` there defines the meaning
//! of the fields. It cannot be used, because the guest has no Python.

use std::net::Ipv4Addr;
use std::path::Path;
use std::str::FromStr;
use std::sync::LazyLock;

use anyhow::{bail, ensure, Context as _, Result};
use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use tackle_link::Space;

use super::cmd;
use super::codel::rounded_up_in;
use super::frame::{self, Segment};
use super::twins::Twins;
use crate::suite::Context;

/// The devices, named as in `tdc_config.py`. The last one is outside of the network namespace under
/// test.
const DUMMY: &str = "dummy1";
const DEV1: &str = "v0p1";
const DEV0: &str = "v0p0";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    id: String,
    name: String,
    setup: Vec<String>,
    cmd_under_test: String,
    exp_exit_code: String,
    #[serde(default)]
    scapy: Vec<Scapy>,
    verify_cmd: String,
    match_pattern: String,
    match_count: String,
    teardown: Vec<String>,
}

/// Packets to send after the command under test.
#[derive(Debug, Deserialize)]
struct Scapy {
    iface: String,
    count: u32,
    packet: String,
}

/// Reads the cases, and replaces the kernel's kind by ours in them.
fn read(json: &str, twins: Twins) -> Result<Vec<Case>> {
    let mut cases: Vec<Case> = serde_json::from_str(json).context("not a list of test cases")?;
    for case in &mut cases {
        let texts = [
            &mut case.cmd_under_test,
            &mut case.verify_cmd,
            &mut case.match_pattern,
        ];
        for text in texts
            .into_iter()
            .chain(&mut case.setup)
            .chain(&mut case.teardown)
        {
            *text = twins.ours_in(text);
        }
        case.match_pattern = exact(&rounded_up_in(&case.match_pattern));
    }
    Ok(cases)
}

/// Returns a pattern for options of the original, changed for ours. Our kind may show a time with a
/// fraction in microseconds, which is exact.
fn exact(pattern: &str) -> String {
    static FRACTION: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(target|interval|ce_threshold) (\d+\.\d+m?s)").expect("a fixed pattern")
    });
    let either = r"$1 (?:$2|[0-9]+us)";
    FRACTION.replace_all(pattern, either).into_owned()
}

fn substitute(text: &str) -> Result<String> {
    let text = [
        ("$TC", "tc"),
        ("$DUMMY", DUMMY),
        ("$DEV0", DEV0),
        ("$DEV1", DEV1),
    ]
    .iter()
    .fold(text.to_owned(), |text, (name, value)| {
        text.replace(name, value)
    });
    ensure!(!text.contains('$'), "a name that is not known in `{text}`");
    Ok(text)
}

/// Runs a command in the namespace.
fn inside(space: &Space, line: &str) -> Result<cmd::Output> {
    let line = substitute(line)?;
    space.enter(|| cmd::output(&line))
}

fn expect_code(space: &Space, line: &str, expected: i32) -> Result<()> {
    let output = inside(space, line)?;
    ensure!(
        output.code == expected,
        "`{line}`: expected exit status {expected}, got {output:?}"
    );
    Ok(())
}

/// Parses a packet that the kernel's cases send.
fn segment(packet: &str) -> Result<Segment> {
    static SEGMENT: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = r"^Ether\(type=0x800\)/IP\(src='([0-9.]+)',dst='([0-9.]+)'\)/TCP\(sport=(\d+),dport=(\d+)\)$";
        Regex::new(pattern).expect("a fixed pattern")
    });
    let Some(found) = SEGMENT.captures(packet) else {
        bail!("a packet that is not known: {packet}");
    };
    Ok(Segment {
        source: (Ipv4Addr::from_str(&found[1])?, found[3].parse()?),
        destination: (Ipv4Addr::from_str(&found[2])?, found[4].parse()?),
        dsfield: 0,
    })
}

impl Case {
    fn run(&self, space: &Space) -> Result<()> {
        for line in &self.setup {
            expect_code(space, line, 0)?;
        }
        expect_code(space, &self.cmd_under_test, self.exp_exit_code.parse()?)?;
        for scapy in &self.scapy {
            let frame = segment(&scapy.packet)?.frame();
            frame::send(&substitute(&scapy.iface)?, &frame, scapy.count)?;
        }
        let output = inside(space, &self.verify_cmd)?;
        let pattern = RegexBuilder::new(&self.match_pattern)
            .dot_matches_new_line(true)
            .multi_line(true)
            .build()?;
        let found = pattern.find_iter(&output.out).count();
        let expected: usize = self.match_count.parse()?;
        ensure!(
            found == expected,
            "expected {expected} matches of `{pattern}`, got {found} in {output:?}"
        );
        for line in &self.teardown {
            expect_code(space, line, 0)?;
        }
        Ok(())
    }
}

/// The devices of one case. Removing one end of the veth pair removes both.
struct Devices<'a>(&'a Space);

impl<'a> Devices<'a> {
    fn new(space: &'a Space) -> Result<Self> {
        space.batch(
            "ip",
            &[
                format!("link add {DUMMY} type dummy"),
                format!("link add {DEV1} type veth peer name {DEV0} netns 1"),
                format!("link set {DUMMY} up"),
                format!("link set {DEV1} up"),
            ],
        )?;
        cmd::run(&format!("ip link set {DEV0} up"))?;
        Ok(Self(space))
    }
}

impl Drop for Devices<'_> {
    fn drop(&mut self) {
        let lines = [format!("link del {DUMMY}"), format!("link del {DEV1}")];
        if let Err(error) = self.0.batch("ip", &lines) {
            eprintln!("{error:#}");
        }
    }
}

/// Runs the cases of the kernel's kind on ours, whose module must be loaded.
///
/// # Errors
///
/// A case fails, or there are no cases.
pub fn run(context: &mut Context<'_>, twins: Twins) -> Result<()> {
    // The kernel's files are in this folder of the guest.
    let path = format!("/tackle/{}.json", twins.theirs);
    let path = Path::new(&path);
    let json =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let cases = read(&json, twins)?;
    ensure!(!cases.is_empty(), "no cases in {}", path.display());
    let space = Space::new()?;
    space.batch("ip", &["link set lo up".into()])?;
    let mut failed = Vec::new();
    for case in &cases {
        // Print a line, because the runner takes a long silence for a hang.
        context.note(format!("{} {}", case.id, case.name))?;
        let devices = Devices::new(&space)?;
        if let Err(error) = case.run(&space) {
            failed.push(format!("{} {}: {error:#}", case.id, case.name));
        }
        drop(devices);
    }
    let (all, kind) = (cases.len(), twins.theirs);
    context.note(format!(
        "{} of {all} cases of {kind} pass",
        all - failed.len()
    ))?;
    ensure!(
        failed.is_empty(),
        "{} of {all} cases failed: {}",
        failed.len(),
        failed.join("; ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODEL: Twins = Twins {
        ours: "rcodel",
        theirs: "codel",
    };

    #[test]
    fn a_case_is_about_rcodel() {
        let json = r#"[{
            "id": "1234", "name": "Create CODEL", "category": ["qdisc", "codel"],
            "plugins": {"requires": "nsPlugin"},
            "setup": ["$TC qdisc add dev $DEV1 handle 1: root codel"],
            "cmdUnderTest": "$TC qdisc change dev $DUMMY root codel limit 1",
            "expExitCode": "0", "verifyCmd": "$TC qdisc show dev $DUMMY",
            "matchPattern": "qdisc codel 1: root", "matchCount": "1", "teardown": []
        }]"#;
        let case = read(json, CODEL).unwrap().remove(0);
        assert_eq!(
            substitute(&case.setup[0]).unwrap(),
            "tc qdisc add dev v0p1 handle 1: root rcodel"
        );
        assert_eq!(
            substitute(&case.cmd_under_test).unwrap(),
            "tc qdisc change dev dummy1 root rcodel limit 1"
        );
        assert_eq!(case.match_pattern, "qdisc rcodel 1: root");
        assert!(case.scapy.is_empty());
        assert!(substitute("$ETH").is_err());
    }

    #[test]
    fn times_with_a_fraction_may_be_exact() {
        let pattern = Regex::new(&exact("target 5ms interval 1.02ms")).unwrap();
        assert!(pattern.is_match("target 5ms interval 1024us ecn"));
        assert!(pattern.is_match("target 5ms interval 1.02ms ecn"));
        assert!(!pattern.is_match("target 5ms interval 1.03ms ecn"));
        assert_eq!(exact("limit 10240p"), "limit 10240p");
    }

    #[test]
    fn packets_are_read() {
        let packet =
            "Ether(type=0x800)/IP(src='10.0.0.10',dst='10.0.0.20')/TCP(sport=5000,dport=10)";
        let expected = Segment {
            source: ([10, 0, 0, 10].into(), 5000),
            destination: ([10, 0, 0, 20].into(), 10),
            dsfield: 0,
        };
        assert_eq!(segment(packet).unwrap(), expected);
        assert!(segment("Ether()/ARP()").is_err());
    }
}
