// SPDX-License-Identifier: GPL-2.0

//! Traces of packets that wait for a link.

use super::Event;
use proptest::prelude::*;
use proptest::test_runner::TestRng;
use std::ops::RangeInclusive;

pub const US: u64 = 1_000;
pub const MS: u64 = 1_000_000;
pub const SECOND: u64 = 1_000_000_000;

/// Packets in each test that counts them: eight of these are two million.
pub const PACKETS: u64 = 250_000;

/// A stream of packets and the link that they wait for. All times in ns.
#[derive(Clone)]
pub struct Load {
    pub start: u64,
    pub packets: u64,
    /// Between two bursts.
    pub gap: RangeInclusive<u64>,
    /// Packets in a burst.
    pub burst: RangeInclusive<u64>,
    /// Between two dequeues.
    pub service: RangeInclusive<u64>,
    pub len: RangeInclusive<u32>,
    /// The most packets in the queue; more are not put in.
    pub limit: u64,
    /// About each how many bursts there is a long gap (0: never), and how long.
    pub idle: (u64, RangeInclusive<u64>),
    /// Whether it is the link that stands still in that gap, and not the source.
    pub stalls: bool,
}

impl Load {
    /// Six packets arrive in the time in which the link takes five.
    pub const OVERLOAD: Load = Load {
        start: SECOND,
        packets: PACKETS / 10,
        gap: 800 * US..=1_200 * US,
        burst: 1..=1,
        service: 1_100 * US..=1_300 * US,
        len: 64..=1_514,
        limit: 1_000,
        idle: (0, 0..=0),
        stalls: false,
    };

    /// Appends the events of the load.
    pub fn events(&self, rng: &mut TestRng, trace: &mut Vec<Event>) {
        let mut arrival = self.start;
        let mut service = self.start;
        let (mut left, mut queued) = (self.packets, 0);
        while left > 0 {
            while service < arrival {
                trace.push(Event::Dequeue { ns: service });
                queued = u64::saturating_sub(queued, 1);
                service += rng.random_range(self.service.clone());
            }
            for _ in 0..rng.random_range(self.burst.clone()) {
                if queued < self.limit && left > 0 {
                    trace.push(Event::Enqueue {
                        ns: arrival,
                        len: rng.random_range(self.len.clone()),
                        dsfield: rng.random_bool(0.9).then(|| rng.random()),
                    });
                    queued += 1;
                    left -= 1;
                }
            }
            arrival += rng.random_range(self.gap.clone());
            if self.idle.0 > 0 && rng.random_range(0..self.idle.0) == 0 {
                let gap = rng.random_range(self.idle.1.clone());
                if !self.stalls {
                    arrival += gap;
                } else if service <= arrival {
                    service += gap;
                }
            }
        }
        for _ in 0..=queued {
            trace.push(Event::Dequeue { ns: service });
            service += rng.random_range(self.service.clone());
        }
    }
}
