// SPDX-License-Identifier: GPL-2.0

//! Traffic between network name spaces, and what the programs say about it.

use std::io::{BufRead, BufReader, Read};
use std::sync::LazyLock;

use anyhow::{bail, Context, Result};
use regex::Regex;
use serde::Deserialize;
use tackle_link::Delays;

use super::cmd;

static PING: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"icmp_seq=(\d+) .*time=([0-9.]+) ms").expect("a fixed pattern"));

/// Reads the round trips that `ping` wrote, in milliseconds, less the packets with a sequence
/// number up to `skip`: the queue builds up only after the traffic has begun.
fn parse_pings(text: &str, skip: u32) -> Delays {
    let times = PING.captures_iter(text).filter_map(|found| {
        let sequence: u32 = found[1].parse().ok()?;
        let time = found[2].parse().ok()?;
        (sequence > skip).then_some(time)
    });
    times.collect()
}

/// Pings `address` from a name space five times a second for `seconds`.
///
/// # Errors
///
/// `ping` cannot be run or nothing came back.
pub fn ping(space: &str, address: &str, seconds: u32) -> Result<Delays> {
    let line = format!("ip netns exec {space} ping -n -i 0.2 -w {seconds} {address}");
    let pings = parse_pings(&cmd::run(&line)?, 10);
    if pings.count() == 0 {
        bail!("no ping of {address} came back after the first 10");
    }
    Ok(pings)
}

#[derive(Deserialize)]
struct Iperf {
    end: IperfEnd,
}

#[derive(Deserialize)]
struct IperfEnd {
    sum_received: IperfSum,
}

#[derive(Deserialize)]
struct IperfSum {
    bits_per_second: f64,
}

/// Reads the throughput at the receiver, in Mbit/s.
fn parse_iperf(json: &str) -> Result<f64> {
    let report: Iperf = serde_json::from_str(json).context("not a report of iperf3")?;
    Ok(report.end.sum_received.bits_per_second / 1e6)
}

/// Sends over TCP from one name space to another with four connections, which
/// fill a long queue sooner than one, and measures Mbit/s at the receiver.
///
/// # Errors
///
/// `iperf3` cannot be run, or its connection fails.
pub fn iperf(from: &str, to: &str, address: &str, seconds: u32) -> Result<f64> {
    let mut server = cmd::start(&format!("ip netns exec {to} iperf3 -s -1 --forceflush"))?;
    let output = server.0.stdout.take().context("no output of iperf3")?;
    let mut output = BufReader::new(output);
    let mut line = String::new();
    while !line.contains("listening") {
        line.clear();
        if output.read_line(&mut line)? == 0 {
            bail!("the iperf3 server ended before it listened");
        }
    }
    let report = cmd::run(&format!(
        "ip netns exec {from} iperf3 -c {address} -t {seconds} -P 4 -J"
    ));
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            // The server tells more; it may wait for ever, so it goes first.
            drop(server);
            let mut rest = String::new();
            let _ = output.read_to_string(&mut rest);
            return Err(error.context(format!("iperf3 server: {}", rest.trim())));
        }
    };
    parse_iperf(&report)
}

/// A qdisc in the output of `tc -s -j qdisc show`.
#[derive(Debug, Deserialize)]
pub struct TcQdisc {
    /// Its kind.
    pub kind: String,
    /// Whether it is the device's root.
    #[serde(default)]
    pub root: bool,
    /// Packets that it sent.
    pub packets: u64,
    /// Packets that it dropped.
    pub drops: u64,
}

/// Reads the output of `tc -s -j qdisc show`.
///
/// # Errors
///
/// It is not that.
pub fn parse_tc(text: &str) -> Result<Vec<TcQdisc>> {
    // For a kind without a plug-in tc prints this remark amid the JSON.
    static REMARK: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\[(Unknown qdisc|cannot parse)[^\]]*\] ?").expect("a fixed pattern")
    });
    let json = REMARK.replace_all(text, "");
    serde_json::from_str(&json).with_context(|| format!("not JSON from tc: {text}"))
}

/// What `tc -s` shows on a device.
///
/// # Errors
///
/// `tc` fails, or what it prints is not understood.
pub fn tc_show(device: &str) -> Result<Vec<TcQdisc>> {
    parse_tc(&cmd::run(&format!("tc -s -j qdisc show dev {device}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PINGS: &str = "PING 10.77.2.2 (10.77.2.2) 56(84) bytes of data.\n\
        64 bytes from 10.77.2.2: icmp_seq=1 ttl=63 time=10.2 ms\n\
        64 bytes from 10.77.2.2: icmp_seq=2 ttl=63 time=400 ms\n\
        64 bytes from 10.77.2.2: icmp_seq=4 ttl=63 time=30.5 ms\n\
        64 bytes from 10.77.2.2: icmp_seq=5 ttl=63 time=20.0 ms\n";

    #[test]
    fn the_first_packets_of_a_ping_are_left_out() {
        let pings = parse_pings(PINGS, 1);
        assert_eq!(pings.sorted(), [20.0, 30.5, 400.0]);
        assert_eq!(parse_pings("", 0).count(), 0);
    }

    #[test]
    fn throughput_is_the_receivers() {
        let json = r#"{"start":{},"end":{"sum_sent":{"bits_per_second":12e6},
            "sum_received":{"start":0,"seconds":8,"bits_per_second":9.5e6}}}"#;
        assert_eq!(parse_iperf(json).unwrap(), 9.5);
        assert!(parse_iperf(r#"{"error":"unable to connect"}"#).is_err());
    }

    #[test]
    fn the_remark_on_an_unknown_kind_is_no_json() {
        let text = r#"[{"kind":"rcodel","handle":"8001:","root":true,"refcnt":2,"options":{[Unknown qdisc, optlen=32] },"bytes":100,"packets":7,"drops":1}]"#;
        let shown = parse_tc(text).unwrap();
        assert_eq!(shown[0].kind, "rcodel");
        assert!(shown[0].root);
        assert_eq!((shown[0].packets, shown[0].drops), (7, 1));
        assert!(parse_tc("Error").is_err());
    }
}
