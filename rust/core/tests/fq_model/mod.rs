// SPDX-License-Identifier: GPL-2.0

//! A qdisc with an FQ-CoDel in it, on a clock that the test sets.

use std::collections::VecDeque;
use tackle_core::codel::Time;
use tackle_core::fq_codel::{
    Dequeue, Enqueue, Enqueued, Flow, FqCodel, Note, Packets, Params, Reduction, Trim,
};

/// A packet; their numbers count from 0 in the order of arrival.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Packet {
    pub id: u32,
    pub len: u32,
    pub truesize: u32,
    /// Whether its socket is charged for its memory.
    pub wmem: bool,
    /// [`None`]: not an IP packet.
    pub dsfield: Option<u8>,
    pub note: Note,
}

/// Why a packet was not sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Why {
    #[default]
    NoFlow,
    OverLimit,
    Congested,
    /// Dropped by a change or a reset.
    Discarded,
}

/// What C keeps of a qdisc.
#[derive(Default)]
pub struct Host {
    pub ns: u64,
    pub qlen: u32,
    pub backlog: u32,
    pub drops: u32,
    /// Those that left, counted when they do.
    pub sent: u32,
    /// What C counts as sent: all that its `fq_codel_dequeue()` returns, for a peek and for a
    /// change as well.
    pub taken: u32,
    pub taken_len: u32,
    pub parked: Option<Packet>,
    /// Those that were not sent since the test last emptied it.
    pub gone: Vec<(u32, Why)>,
    /// Why packets are dropped in the call that is under way.
    why: Why,
}

impl Host {
    fn take_off(&mut self, packet: &Packet) {
        self.qlen -= 1;
        self.backlog -= packet.len;
    }

    fn put_on(&mut self, packet: &Packet) {
        self.qlen += 1;
        self.backlog += packet.len;
    }

    fn count_taken(&mut self, packet: &Packet) {
        self.taken += 1;
        self.taken_len = self.taken_len.wrapping_add(packet.len);
    }

    /// Takes the packet that was peeked at.
    fn unpark(&mut self) -> Option<Packet> {
        let packet = self.parked.take()?;
        self.take_off(&packet);
        Some(packet)
    }
}

impl Packets for Host {
    type Packet = Packet;
    type List = VecDeque<Packet>;

    fn now(&self) -> Time {
        Time::from_ns(self.ns)
    }

    fn qlen(&self) -> u32 {
        self.qlen
    }

    fn pop(&mut self, list: &mut VecDeque<Packet>) -> Option<Packet> {
        let packet = list.pop_front()?;
        self.take_off(&packet);
        Some(packet)
    }

    fn drop(&mut self, packet: Packet) {
        self.gone.push((packet.id, self.why));
        self.drops += 1;
    }

    fn len(packet: &Packet) -> u32 {
        packet.len
    }

    fn note(packet: &Packet) -> Note {
        packet.note
    }
}

impl Enqueue for Host {
    fn push(&mut self, list: &mut VecDeque<Packet>, packet: Packet) {
        self.put_on(&packet);
        list.push_back(packet);
    }

    fn memory(packet: &Packet) -> u32 {
        if packet.wmem {
            0
        } else {
            packet.truesize
        }
    }

    fn set_note(packet: &mut Packet, note: Note) {
        packet.note = note;
    }
}

impl Dequeue for Host {
    fn backlog(&self) -> u32 {
        self.backlog
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

impl Trim for Host {
    fn pop_parked(&mut self) -> Option<Packet> {
        let packet = self.unpark()?;
        // It was counted as taken when it was parked, and will be again when it is discarded.
        self.taken -= 1;
        self.taken_len = self.taken_len.wrapping_sub(packet.len);
        Some(packet)
    }

    fn discard(&mut self, packet: Packet) {
        self.count_taken(&packet);
        self.gone.push((packet.id, Why::Discarded));
        self.drops += 1;
    }
}

/// What a parent of the qdisc was told since the test last looked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Parent {
    pub called: bool,
    pub sum: Reduction,
    pub drops: u32,
    /// Whether the qdisc was empty in one of the calls.
    pub emptied: bool,
}

pub type Scheduler = FqCodel<Vec<Flow<VecDeque<Packet>>>, Vec<u32>>;

pub struct Sim {
    pub sched: Scheduler,
    pub host: Host,
    pub parent: Parent,
    next_id: u32,
}

impl Sim {
    pub fn new(flows: usize, params: Params) -> Self {
        let table = (0..flows).map(|_| Flow::default()).collect();
        Sim {
            sched: FqCodel::new(table, vec![0; flows], params).expect("a number of flows"),
            host: Host::default(),
            parent: Parent::default(),
            next_id: 0,
        }
    }

    /// Gives a packet its number.
    pub fn arrive(&mut self, packet: Packet) -> Packet {
        let id = self.next_id;
        self.next_id += 1;
        Packet { id, ..packet }
    }

    /// Puts a packet that has arrived in a flow.
    pub fn enqueue(&mut self, flow: u32, packet: Packet) -> Enqueued {
        self.host.why = Why::OverLimit;
        let result = self.sched.enqueue(&mut self.host, flow, packet);
        let result = result.expect("there is such a flow");
        if let Enqueued::Dropped(reduction) | Enqueued::Congested(reduction) = result {
            self.tell(reduction);
        }
        result
    }

    /// Takes the next packet, which is the one that was peeked at, if any.
    pub fn dequeue(&mut self) -> Option<Packet> {
        let packet = match self.host.unpark() {
            Some(packet) => Some(packet),
            None => {
                let packet = self.take();
                self.tell_drops();
                packet
            }
        };
        self.host.sent += u32::from(packet.is_some());
        packet
    }

    /// Returns the packet that [`Sim::dequeue`] will take.
    pub fn peek(&mut self) -> Option<&Packet> {
        if self.host.parked.is_none() {
            self.host.parked = self.take();
            if let Some(packet) = self.host.parked.clone() {
                self.host.put_on(&packet);
            }
            self.tell_drops();
        }
        self.host.parked.as_ref()
    }

    pub fn change(&mut self, params: Params) {
        self.host.why = Why::Congested;
        self.sched.params = params;
        let reduction = self.sched.trim(&mut self.host);
        self.tell(reduction);
    }

    pub fn reset(&mut self) {
        let waiting = self.host.qlen;
        let gone = &mut self.host.gone;
        self.sched.reset(waiting, |list| {
            gone.extend(list.drain(..).map(|packet| (packet.id, Why::Discarded)))
        });
        if let Some(packet) = self.host.parked.take() {
            gone.push((packet.id, Why::Discarded));
        }
        self.host.drops += waiting;
        (self.host.qlen, self.host.backlog) = (0, 0);
    }

    fn take(&mut self) -> Option<Packet> {
        self.host.why = Why::Congested;
        let packet = self.sched.dequeue(&mut self.host)?;
        self.host.count_taken(&packet);
        Some(packet)
    }

    fn tell_drops(&mut self) {
        if let Some(drops) = self.sched.take_drops() {
            self.tell(drops);
        }
    }

    /// What `qdisc_tree_reduce_backlog()` does.
    fn tell(&mut self, reduction: Reduction) {
        let parent = &mut self.parent;
        parent.called = true;
        parent.sum.packets += reduction.packets;
        parent.sum.len += reduction.len;
        parent.drops += reduction.packets.max(0) as u32;
        parent.emptied |= self.host.qlen == 0;
    }
}
