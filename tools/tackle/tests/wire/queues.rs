// SPDX-License-Identifier: GPL-2.0

//! Creates messages about queues in the kernel's format.

use netlink_packet_core::NLM_F_MULTIPART;
use tackle_cli::qdisc::device::Device;
use tackle_cli::qdisc::sample::Queue;

use super::{attribute, done, link, one, words, Message, Wire, RTM_NEWQDISC};

pub const ROOT: u32 = u32::MAX;

/// The index of the device under test. `OTHER` is another device.
pub const OURS: u32 = 7;
pub const OTHER: u32 = 8;

/// Returns the statistics of `rcodel` with `drops` packets dropped above the target, `short`
/// packets in the bucket of the shortest times, and `long` packets in the bucket of 4 ms.
fn rcodel([short, long, drops]: [u64; 3]) -> Vec<u8> {
    let target = u32::try_from(drops).unwrap();
    let mut bytes = words(&[1514, 8, 7, 7250, 0u32.wrapping_sub(12), 0, 3, 0, 1]);
    bytes.extend(attribute(2, &words(&[target])));
    bytes.extend(attribute(3, &words(&[0])));
    // The first word is the index of the first bucket, which is that of 0 us. The counts of all
    // buckets up to that of 4 ms follow.
    let mut histogram = vec![0; LONG + 2];
    histogram[1] = short;
    histogram[LONG + 1] = long;
    let histogram: Vec<u8> = histogram.into_iter().flat_map(u64::to_ne_bytes).collect();
    bytes.extend(attribute(7, &histogram));
    bytes
}

/// The index of the bucket from 4.194 ms (4096 units of CoDel's clock) to 5.242 ms.
const LONG: usize = 44;

/// Returns a dump with a tree of queues on the device under test, and a queue on the other device.
pub fn tree(sent: u64, counts: [u64; 3]) -> Vec<Message> {
    let drops = u32::try_from(counts[2]).unwrap();
    let all = [
        Qdisc {
            device: OTHER,
            kind: "rfq_codel",
            handle: 0x10_0000,
            parent: ROOT,
            ..Qdisc::default()
        },
        Qdisc {
            kind: "hfsc",
            handle: 0x1_0000,
            parent: ROOT,
            ..Qdisc::default()
        },
        Qdisc {
            kind: "rcodel",
            handle: 0x10_0000,
            parent: 0x1_0001,
            bytes: sent,
            packets: 7,
            queue: [2, 3028, drops, 0, 0],
            xstats: rcodel(counts),
            ..Qdisc::default()
        },
        Qdisc {
            kind: "fq_codel",
            handle: 0x20_0000,
            parent: 0x1_0002,
            xstats: words(&[0; 10]),
            ..Qdisc::default()
        },
        Qdisc {
            kind: "ingress",
            handle: 0xffff_0000,
            parent: 0xffff_fff1,
            ..Qdisc::default()
        },
    ];
    let mut messages = Vec::new();
    for qdisc in all {
        // Queues without a device belong to the device under test.
        let device = qdisc.device.max(OURS);
        messages.push(Qdisc { device, ..qdisc }.message());
    }
    messages.push(done());
    messages
}

/// Returns a fake kernel that has the device under test.
pub fn wire() -> Wire {
    Wire::default().answer(one(link(OURS, "eth0", true)))
}

pub fn device(wire: &Wire) -> Device {
    Device::new(wire.netlink(), "eth0").unwrap()
}

pub fn queues(sent: u64, counts: [u64; 3]) -> Vec<Queue> {
    let wire = wire().answer(tree(sent, counts));
    device(&wire).queues().unwrap()
}

/// A queueing discipline and its counters.
#[derive(Clone, Default)]
pub struct Qdisc<'a> {
    pub device: u32,
    pub kind: &'a str,
    pub handle: u32,
    pub parent: u32,
    pub bytes: u64,
    pub packets: u32,
    /// The members `qlen`, `backlog`, `drops`, `requeues` and `overlimits`.
    pub queue: [u32; 5],
    pub xstats: Vec<u8>,
    /// More attributes within the statistics.
    pub more: Vec<u8>,
}

impl Qdisc<'_> {
    pub fn message(&self) -> Message {
        let header = words(&[0, self.device, self.handle, self.parent, 2]);
        let mut basic = self.bytes.to_ne_bytes().to_vec();
        basic.extend(words(&[self.packets, 0]));
        let mut stats = attribute(1, &basic);
        stats.extend(attribute(3, &words(&self.queue)));
        if !self.xstats.is_empty() {
            stats.extend(attribute(4, &self.xstats));
        }
        stats.extend(&self.more);
        let kind = attribute(1, format!("{}\0", self.kind).as_bytes());
        // These options are no attributes. Some qdiscs have such options.
        let options = attribute(2, &[1, 0, 2]);
        let stats = attribute(7 | 0x8000, &stats);
        let payload = [header, kind, options, stats].concat();
        (RTM_NEWQDISC, NLM_F_MULTIPART, payload)
    }
}
