// SPDX-License-Identifier: GPL-2.0

//! CoDel on a queue that is never empty; `benches/codel.c` is the same in C.

use std::hint::black_box;

use tackle_core::codel::{dequeue, Params, Queue, Stats, Time, Vars};

use super::Work;

const RING: usize = 16;
const LEN: u32 = 1514;

struct Packet {
    len: u32,
    at: Time,
}

/// A packet that was taken out is at once at the end of the queue.
struct Ring<'a> {
    now: Time,
    packets: &'a [Packet; RING],
    next: u32,
    backlog: u32,
    dropped: u32,
}

impl<'a> Queue for Ring<'a> {
    type Packet = &'a Packet;

    fn now(&self) -> Time {
        self.now
    }

    fn pop(&mut self) -> Option<&'a Packet> {
        let packet = &self.packets[self.next as usize % RING];
        self.next = self.next.wrapping_add(1);
        Some(packet)
    }

    fn backlog(&self) -> u32 {
        self.backlog
    }

    fn len(packet: &&'a Packet) -> u32 {
        packet.len
    }

    fn enqueued_at(packet: &&'a Packet) -> Time {
        packet.at
    }

    fn drop(&mut self, _: &'a Packet) {
        self.dropped = self.dropped.wrapping_add(1);
    }

    fn mark(&mut self, _: &mut &'a Packet) -> bool {
        false
    }

    fn dsfield(&mut self, _: &mut &'a Packet) -> Option<u8> {
        None
    }
}

/// Packets that waited less than the target.
pub const NO_DROP: Work = Work {
    name: "codel-no-drop",
    run: |calls| run(calls, false),
};

/// In the dropping state, with a drop due: one packet goes, the next is delivered.
pub const DROPPING: Work = Work {
    name: "codel-dropping",
    run: |calls| run(calls, true),
};

/// The queue, and the state that each call starts from.
struct State<'a> {
    ring: Ring<'a>,
    params: Params,
    start: Vars,
    stats: Stats,
}

fn run(calls: u32, dropping: bool) {
    let now = Time::from_ns(1_000_000_000);
    let ms = |ms: u32| Time::from_us(ms * 1000);
    let at = now.since(ms(if dropping { 50 } else { 1 }));
    let packets = std::array::from_fn(|_| Packet { len: LEN, at });
    let mut state = State {
        ring: Ring {
            now,
            packets: &packets,
            next: 0,
            backlog: RING as u32 * LEN,
            dropped: 0,
        },
        params: Params {
            mtu: LEN,
            ..Params::default()
        },
        start: Vars::default(),
        stats: Stats::default(),
    };
    if dropping {
        state.start = Vars {
            count: 16,
            lastcount: 1,
            dropping: true,
            rec_inv_sqrt: 0x4000,
            first_above_time: now.since(ms(50)),
            drop_next: now,
            ldelay: Time(0),
        };
    }
    for _ in 0..calls {
        let mut vars = state.start;
        let packet = dequeue(&mut state.ring, &state.params, &mut vars, &mut state.stats);
        // The compiler may think that anybody reads and changes it all.
        black_box(packet);
        black_box(&mut vars);
        black_box(&mut state);
    }
    assert_eq!(state.ring.dropped, if dropping { calls } else { 0 });
}
