// SPDX-License-Identifier: GPL-2.0

//! Implements one FIFO queue that CoDel keeps short: the decisions and counters of the qdisc
//! `rcodel`.

use super::{dequeue, Params, Queue, Stats, Vars};

/// The numbers of packets that were dropped for other reasons than the target. They wrap around.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Drops {
    /// Packets that arrived when the queue was full.
    pub overlimit: u32,
    /// Packets above the limit when it was lowered.
    pub change: u32,
    /// Packets in the queue when it was reset.
    pub reset: u32,
}

/// A queue with its CoDel.
///
/// Each packet that arrives is counted once: by the caller as sent or queued, or here in
/// [`Stats::drop_count`] or [`Drops`].
#[derive(Default)]
pub struct Codel {
    /// The parameters that a user can set, except for the limit. The caller stores the limit, and
    /// calls [`trim`](Self::trim) after it has lowered the limit.
    pub params: Params,
    /// The state of CoDel.
    pub vars: Vars,
    /// The counters of CoDel.
    pub stats: Stats,
    /// The other drops.
    pub drops: Drops,
}

impl Codel {
    /// Creates an empty queue.
    pub fn new(params: Params) -> Self {
        Self {
            params,
            ..Self::default()
        }
    }

    /// Returns whether a packet may be queued after `qlen` others. If not, counts it as dropped.
    #[inline]
    pub fn admits(&mut self, qlen: u32, limit: u32) -> bool {
        let admits = qlen < limit;
        if !admits {
            self.drops.overlimit = self.drops.overlimit.wrapping_add(1);
        }
        admits
    }

    /// Removes the next packet to be sent, like [`dequeue`].
    #[inline]
    pub fn dequeue<Q: Queue>(&mut self, queue: &mut Q) -> Option<Q::Packet> {
        dequeue(queue, &self.params, &mut self.vars, &mut self.stats)
    }

    /// Drops packets from the head until at most `limit` of the `qlen` packets are left.
    ///
    /// `drop_head` drops one packet. It returns false if it cannot drop one.
    pub fn trim(&mut self, qlen: u32, limit: u32, mut drop_head: impl FnMut() -> bool) {
        for _ in limit..qlen {
            if !drop_head() {
                break;
            }
            self.drops.change = self.drops.change.wrapping_add(1);
        }
    }

    /// Resets CoDel to the state of an empty queue. The `waiting` packets count as dropped.
    pub fn reset(&mut self, waiting: u32) {
        self.vars = Vars::default();
        self.drops.reset = self.drops.reset.wrapping_add(waiting);
    }
}
