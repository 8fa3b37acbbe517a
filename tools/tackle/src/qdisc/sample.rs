// SPDX-License-Identifier: GPL-2.0

//! What `tc` tells of the queues of a device.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{bail, ensure, Context, Result};
use serde::{Deserialize, Serialize};

use crate::files;
use crate::roots::Roots;
use crate::unknown::unknown;

/// The kinds whose delay is controlled.
pub const KINDS: [&str; 4] = ["rcodel", "rfq_codel", "codel", "fq_codel"];

/// A queue, with the keys of `tc -j -s -d`; what its kind does not tell is not there.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Queue {
    /// The kind.
    pub kind: String,
    /// Its number, such as `10:`.
    pub handle: String,
    /// The class that it is below; the root of the device has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Bytes sent.
    #[serde(default)]
    pub bytes: u64,
    /// Packets sent.
    #[serde(default)]
    pub packets: u64,
    /// Packets dropped.
    #[serde(default)]
    pub drops: u64,
    /// Bytes that wait.
    #[serde(default)]
    pub backlog: u64,
    /// Packets that wait.
    #[serde(default)]
    pub qlen: u64,
    /// How long the last packet had waited, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ldelay: Option<u32>,
    /// Packets marked instead of dropped.
    #[serde(default)]
    pub ecn_mark: u64,
    /// Packets marked for `ce_threshold`.
    #[serde(default)]
    pub ce_mark: u64,
    /// What `rcodel` and `rfq_codel` tell beyond the others.
    #[serde(default)]
    pub details: Details,
}

/// What `tc` prints behind `-d`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Details {
    /// Why packets were dropped.
    #[serde(default)]
    pub drops: BTreeMap<String, u64>,
    /// Why packets were marked.
    #[serde(default)]
    pub marks: BTreeMap<String, u64>,
    /// The histogram of sojourn times; none while it is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sojourn: Option<Vec<Bucket>>,
}

/// Packets that waited for about as long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Bucket {
    /// For this many microseconds at least.
    pub low: u32,
    /// For less than these.
    pub high: u32,
    /// How many.
    pub count: u64,
}

impl Queue {
    /// Packets marked, for whichever reason.
    pub fn marks(&self) -> u64 {
        self.ecn_mark.saturating_add(self.ce_mark)
    }

    /// The histogram; empty while it is off.
    pub fn sojourn(&self) -> &[Bucket] {
        self.details.sojourn.as_deref().unwrap_or_default()
    }
}

/// A network device.
#[derive(Debug)]
pub struct Device {
    name: String,
}

impl Device {
    /// Takes the device of this name.
    ///
    /// # Errors
    /// When there is none, with those that there are.
    pub fn new(roots: &Roots, name: &str) -> Result<Self> {
        let names = files::names(&roots.sys.join("class/net"))?;
        if !names.iter().any(|other| other == name) {
            return Err(unknown("device", name, names.iter().map(String::as_str)));
        }
        let name = name.to_owned();
        Ok(Self { name })
    }

    /// Its queues of CoDel's family.
    ///
    /// # Errors
    /// When it has none, or `tc` cannot show them.
    pub fn queues(&self) -> Result<Vec<Queue>> {
        let words = ["-j", "-s", "-d", "qdisc", "show", "dev", &self.name];
        let output = Command::new("tc").args(words).output();
        let output = output.context("cannot run tc (of iproute2)")?;
        ensure!(
            output.status.success(),
            "tc cannot show the qdiscs of {}: {}",
            self.name,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
        let all = parse(&String::from_utf8_lossy(&output.stdout))?;
        self.controlled(all)
    }

    /// Those of CoDel's family among all.
    ///
    /// # Errors
    /// When there is none.
    pub fn controlled(&self, all: Vec<Queue>) -> Result<Vec<Queue>> {
        let (ours, others): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|queue| KINDS.contains(&queue.kind.as_str()));
        if ours.is_empty() {
            let others: Vec<_> = others.iter().map(|queue| queue.kind.as_str()).collect();
            bail!(
                "{} has no {} but {}: tc qdisc replace dev {0} root rfq_codel",
                self.name,
                KINDS.join(", "),
                others.join(", ")
            );
        }
        Ok(ours)
    }
}

/// Reads what `tc -j -s -d qdisc show` prints.
///
/// # Errors
/// When it is something else.
pub fn parse(text: &str) -> Result<Vec<Queue>> {
    // `hfsc` prints its options as without `-j`: `{default 1 }`.
    let mut json = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{default ") {
        let (_, after) = after.split_once('}').unwrap_or_default();
        json += before;
        json += "{}";
        rest = after;
    }
    json += rest;
    serde_json::from_str(&json).context("tc prints something else than JSON")
}
