// SPDX-License-Identifier: GPL-2.0

//! A queue of packets on a clock that the test sets, with a CoDel on it.

use std::cell::Cell;
use std::collections::VecDeque;
use tackle_core::codel::{dequeue, Params, Queue, Stats, Time, Vars};

/// A packet; their numbers count from 0 in the order of arrival.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Packet {
    pub id: u32,
    pub len: u32,
    pub at: Time,
    /// [`None`]: not an IP packet.
    pub dsfield: Option<u8>,
}

#[derive(Default)]
pub struct Fifo {
    pub ns: u64,
    pub packets: VecDeque<Packet>,
    pub backlog: u32,
    pub next_id: u32,
    /// Those that were dropped by the last dequeue.
    pub dropped: Vec<u32>,
    /// How often the last dequeue asked for the time.
    pub clock_reads: Cell<u32>,
}

impl Fifo {
    /// Puts a packet at the end, now.
    pub fn push(&mut self, len: u32, dsfield: Option<u8>) {
        self.packets.push_back(Packet {
            id: self.next_id,
            len,
            at: Time::from_ns(self.ns),
            dsfield,
        });
        self.next_id += 1;
        self.backlog += len;
    }
}

impl Queue for Fifo {
    type Packet = Packet;

    fn now(&self) -> Time {
        self.clock_reads.set(self.clock_reads.get() + 1);
        Time::from_ns(self.ns)
    }

    fn pop(&mut self) -> Option<Packet> {
        let packet = self.packets.pop_front()?;
        self.backlog -= packet.len;
        Some(packet)
    }

    fn backlog(&self) -> u32 {
        self.backlog
    }

    fn len(packet: &Packet) -> u32 {
        packet.len
    }

    fn enqueued_at(packet: &Packet) -> Time {
        packet.at
    }

    fn drop(&mut self, packet: Packet) {
        self.dropped.push(packet.id);
    }

    fn mark(&mut self, packet: &mut Packet) -> bool {
        match &mut packet.dsfield {
            Some(ds) if *ds & 3 != 0 => {
                *ds |= 3;
                true
            }
            _ => false,
        }
    }

    fn dsfield(&mut self, packet: &mut Packet) -> Option<u8> {
        packet.dsfield
    }
}

#[derive(Default)]
pub struct Sim {
    pub fifo: Fifo,
    pub params: Params,
    pub vars: Vars,
    pub stats: Stats,
}

impl Sim {
    pub fn enqueue(&mut self, ns: u64, len: u32, dsfield: Option<u8>) {
        self.fifo.ns = ns;
        self.fifo.push(len, dsfield);
    }

    pub fn dequeue(&mut self, ns: u64) -> Option<Packet> {
        self.fifo.ns = ns;
        self.fifo.dropped.clear();
        self.fifo.clock_reads.set(0);
        dequeue(
            &mut self.fifo,
            &self.params,
            &mut self.vars,
            &mut self.stats,
        )
    }
}
