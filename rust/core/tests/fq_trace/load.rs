// SPDX-License-Identifier: GPL-2.0

//! Traces of packets of many senders that wait for a link.

use super::{Arrival, Event, Options};
use proptest::prelude::*;
use proptest::test_runner::TestRng;
use std::ops::RangeInclusive;

pub const US: u64 = 1_000;
pub const MS: u64 = 1_000_000;
pub const SECOND: u64 = 1_000_000_000;

/// Makes the options of a change.
pub type Change = fn(&mut TestRng) -> Options;

/// Senders, and the link that their packets wait for. All times in ns.
#[derive(Clone)]
pub struct Load {
    pub start: u64,
    pub packets: u64,
    /// Each has a hash of its own; those with low numbers send more.
    pub senders: u32,
    /// Between two bursts.
    pub gap: RangeInclusive<u64>,
    /// Packets in a burst, which are all of one sender.
    pub burst: RangeInclusive<u64>,
    /// Between two dequeues.
    pub service: RangeInclusive<u64>,
    pub len: RangeInclusive<u32>,
    /// What the memory of a packet is a multiple of.
    pub page: u32,
    /// About each how many bursts there is a long gap (0: never), and how long.
    pub idle: (u32, RangeInclusive<u64>),
    /// Whether it is the link that stands still in that gap, and not the senders.
    pub stalls: bool,
    /// About each how many bursts (0: never) the packet that is next is peeked at, the
    /// qdisc changed, or reset.
    pub peek: u32,
    pub change: (u32, Change),
    pub reset: u32,
    /// Each how many bursts all flows are looked at.
    pub classes: u64,
    /// The handle of the qdisc, for packets that choose their class.
    pub handle: u32,
}

impl Load {
    /// About six packets arrive in the time in which the link takes five.
    pub const OVERLOAD: Load = Load {
        start: SECOND,
        packets: 13_000,
        senders: 20,
        gap: 800 * US..=1_200 * US,
        burst: 1..=1,
        service: 1_100 * US..=1_300 * US,
        len: 64..=1_514,
        page: 1,
        idle: (0, 0..=0),
        stalls: false,
        peek: 0,
        change: (0, |_| Options::default()),
        reset: 0,
        classes: 1_000,
        handle: 0x8001_0000,
    };

    /// Appends the events of the load.
    pub fn events(&self, rng: &mut TestRng, trace: &mut Vec<Event>) {
        let once_in = |rng: &mut TestRng, n: u32| n > 0 && rng.random_range(0..n) == 0;
        let mut arrival = self.start;
        let mut service = self.start;
        let (mut left, mut bursts) = (self.packets, 0);
        while left > 0 {
            while service < arrival {
                trace.push(Event::Dequeue { ns: service });
                service += rng.random_range(self.service.clone());
            }
            let sender = rng.random_range(0..self.senders);
            let sender = rng.random_range(0..=sender);
            for _ in 0..rng.random_range(self.burst.clone()).min(left) {
                let packet = self.packet(rng, sender);
                trace.push(Event::Enqueue {
                    ns: arrival,
                    packet,
                });
                left -= 1;
            }
            bursts += 1;
            if bursts % self.classes == 0 {
                trace.push(Event::Classes { ns: arrival });
            }
            if once_in(rng, self.peek) {
                trace.push(Event::Peek { ns: arrival });
            }
            if once_in(rng, self.change.0) {
                trace.push(Event::Change((self.change.1)(rng)));
            }
            if once_in(rng, self.reset) {
                trace.push(Event::Reset);
            }
            arrival += rng.random_range(self.gap.clone());
            if once_in(rng, self.idle.0) {
                let gap = rng.random_range(self.idle.1.clone());
                if !self.stalls {
                    arrival += gap;
                } else if service <= arrival {
                    service += gap;
                }
            }
        }
        for _ in 0..rng.random_range(0..500) {
            trace.push(Event::Dequeue { ns: service });
            service += rng.random_range(self.service.clone());
        }
        trace.push(Event::Classes { ns: service });
    }

    fn packet(&self, rng: &mut TestRng, sender: u32) -> Arrival {
        let len = rng.random_range(self.len.clone());
        let (odd, bits): (u8, u32) = (rng.random(), rng.random());
        Arrival {
            len,
            truesize: (len + ((bits >> 8) & 0x7ff)).next_multiple_of(self.page),
            wmem: odd & 3 == 0,
            // No packet of some senders is IP.
            dsfield: (sender % 8 != 7).then_some(bits as u8),
            hash: sender.wrapping_mul(0x9e37_79b9),
            // Some choose their class, which may be none.
            priority: match odd {
                0..4 => self.handle | ((bits >> 16) & 0x3f),
                4..6 => self.handle | (bits >> 16),
                6 => bits,
                _ => 0,
            },
            verdict: match odd {
                250.. => i32::from(odd - 250) + if bits & 1 == 0 { 0 } else { 3 },
                249 => -1,
                _ => 0,
            },
            classid: if odd < 16 { bits } else { sender + 1 },
        }
    }
}
