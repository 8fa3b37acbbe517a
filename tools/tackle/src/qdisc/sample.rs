// SPDX-License-Identifier: GPL-2.0

//! Reads the statistics of a queue from a netlink message.
//!
//! C headers: `include/uapi/linux/rtnetlink.h`, `include/uapi/linux/gen_stats.h`,
//! `include/uapi/linux/pkt_sched.h`.

use std::collections::BTreeMap;

use netlink_packet_route::tc::{TcHandle, TcHeader};
use serde::Serialize;
use tackle_core::codel::attr::SOJOURN;
use tackle_core::codel::buckets;
use tackle_core::codel::xstats::{CodelXstats, Count, FqCodelXstats};
use tackle_core::netlink::{words_of, Attributes};

const TCA_KIND: u16 = 1;
const TCA_XSTATS: u16 = 4;
const TCA_STATS2: u16 = 7;

const TCA_STATS_BASIC: u16 = 1;
const TCA_STATS_QUEUE: u16 = 3;
const TCA_STATS_APP: u16 = 4;
const TCA_STATS_PKT64: u16 = 8;

/// The size in bytes of `struct tcmsg`.
const HEADER: usize = 20;

/// The queueing disciplines of the CoDel family.
pub const KINDS: [&str; 4] = ["rcodel", "rfq_codel", "codel", "fq_codel"];

/// The statistics of a queue. The JSON keys are those of `tc -j -s -d`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Queue {
    /// The queueing discipline.
    pub kind: String,
    /// The handle, such as `10:`.
    pub handle: String,
    /// The class to which the queue is attached. The root queue of a device has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Bytes sent.
    pub bytes: u64,
    /// Packets sent.
    pub packets: u64,
    /// Packets dropped.
    pub drops: u64,
    /// Bytes in the queue.
    pub backlog: u64,
    /// Packets in the queue.
    pub qlen: u64,
    /// The delay of the last packet, in microseconds. `fq_codel` and `rfq_codel` report it for
    /// each flow, and not for the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ldelay: Option<u32>,
    /// Packets marked instead of dropped.
    pub ecn_mark: u64,
    /// Packets marked for `ce_threshold`.
    pub ce_mark: u64,
    /// The statistics that `codel` and `fq_codel` do not have.
    pub details: Details,
}

/// The statistics that only `rcodel` and `rfq_codel` have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Details {
    /// The numbers of dropped packets, by reason.
    pub drops: BTreeMap<String, u64>,
    /// The numbers of marked packets, by reason.
    pub marks: BTreeMap<String, u64>,
    /// The histogram of sojourn times; [`None`] while it is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sojourn: Option<Vec<Bucket>>,
}

/// A range of sojourn times, and the number of packets in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Lower bound in microseconds, inclusive.
    pub low: u32,
    /// Upper bound in microseconds, exclusive.
    pub high: u32,
    /// The number of packets.
    pub count: u64,
}

impl Queue {
    /// Returns the number of packets that were marked for any reason.
    pub fn marks(&self) -> u64 {
        self.ecn_mark.saturating_add(self.ce_mark)
    }

    /// Returns the histogram, which is empty while it is off.
    pub fn sojourn(&self) -> &[Bucket] {
        self.details.sojourn.as_deref().unwrap_or_default()
    }
}

/// Parses a message about a queueing discipline. Returns the index of its device, and its
/// statistics; [`None`] if the message has no kind.
pub fn queue(message: &[u8]) -> Option<(u32, Queue)> {
    let header = TcHeader::parse(message).ok()?;
    let attributes = Attributes::new(message.get(HEADER..)?);
    let stats = Attributes::new(attributes.get(TCA_STATS2).unwrap_or_default());
    let basic = stats.get(TCA_STATS_BASIC).unwrap_or_default();
    let bytes = basic.first_chunk().map_or(0, |n| u64::from_ne_bytes(*n));
    let [packets] = words_of(basic.get(8..).unwrap_or_default());
    let [qlen, backlog, drops, ..] =
        words_of::<5>(stats.get(TCA_STATS_QUEUE).unwrap_or_default()).map(u64::from);
    let mut queue = Queue {
        kind: text(attributes.get(TCA_KIND)?)?,
        handle: format!("{:x}:", header.handle.major),
        parent: parent(header.parent),
        bytes,
        // Above 2^32 packets the kernel also sends a 64-bit count.
        packets: stats.u64(TCA_STATS_PKT64).unwrap_or(packets.into()),
        drops,
        backlog,
        qlen,
        ..Queue::default()
    };
    let app = stats.get(TCA_STATS_APP);
    queue.read(app.or(attributes.get(TCA_XSTATS)).unwrap_or_default());
    Some((u32::try_from(header.index).ok()?, queue))
}

/// Returns the class to which a queue is attached, in the notation of `tc`.
fn parent(parent: TcHandle) -> Option<String> {
    let TcHandle { major, minor } = parent;
    match (major, minor) {
        (0, 0) => None,
        _ if parent == TcHandle::ROOT => None,
        (0, _) => Some(format!(":{minor:x}")),
        (_, 0) => Some(format!("{major:x}:")),
        _ => Some(format!("{major:x}:{minor:x}")),
    }
}

/// Returns the text of a C string, which ends at a NUL or at the end of `bytes`.
pub fn text(bytes: &[u8]) -> Option<String> {
    let text = bytes.split(|byte| *byte == 0).next()?;
    (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned())
}

impl Queue {
    /// Reads the statistics that only this kind of queue has.
    fn read(&mut self, xstats: &[u8]) {
        match self.kind.as_str() {
            "rcodel" | "codel" if !xstats.is_empty() => {
                let stats = CodelXstats::read(xstats);
                self.ldelay = Some(stats.ldelay);
                self.ecn_mark = stats.ecn_mark.into();
                self.ce_mark = stats.ce_mark.into();
                self.details = Details::new(stats.details, &stats.drops(), &stats.marks());
            }
            "rfq_codel" | "fq_codel" => {
                if let Some(FqCodelXstats::Queue(stats)) = FqCodelXstats::read(xstats) {
                    self.ecn_mark = stats.ecn_mark.into();
                    self.ce_mark = stats.ce_mark.into();
                    self.details = Details::new(stats.details, &stats.drops(), &stats.marks());
                }
            }
            _ => {}
        }
    }
}

impl Details {
    /// Returns the details, which are empty without attributes: `codel` and `fq_codel` send none.
    fn new(attributes: Attributes<'_>, drops: &[Count], marks: &[Count]) -> Self {
        if attributes.is_empty() {
            return Self::default();
        }
        let counts = |counts: &[Count]| {
            let count = |(name, count): &Count| (name.to_string_lossy().into(), (*count).into());
            counts.iter().map(count).collect()
        };
        let bucket = |tackle_core::codel::Bucket { low, high, count }| Bucket { low, high, count };
        Self {
            drops: counts(drops),
            marks: counts(marks),
            sojourn: attributes
                .u64s(SOJOURN)
                .map(|words| buckets(words).map(bucket).collect()),
        }
    }
}
