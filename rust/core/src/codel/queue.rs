// SPDX-License-Identifier: GPL-2.0

//! One first-in first-out queue that CoDel keeps short: what the qdisc `rcodel` decides and
//! counts.

use super::{dequeue, Params, Queue, Stats, Vars};

/// Packets that were dropped for other reasons than the target. The counts wrap around.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Drops {
    /// They came when the queue was full.
    pub overlimit: u32,
    /// They were too many when the limit was lowered.
    pub change: u32,
    /// They waited when the queue was reset.
    pub reset: u32,
}

/// A queue with its CoDel.
///
/// Each packet that comes is counted once: by the caller as sent or as one that waits, or here in
/// [`Stats::drop_count`] or [`Drops`].
#[derive(Default)]
pub struct Codel {
    /// What a user can set. The limit is not among it: the caller keeps that, and calls
    /// [`trim`](Self::trim) after it has lowered it.
    pub params: Params,
    /// The state of CoDel.
    pub vars: Vars,
    /// The counts of CoDel.
    pub stats: Stats,
    /// The other drops.
    pub drops: Drops,
}

impl Codel {
    /// Makes an empty queue.
    pub fn new(params: Params) -> Self {
        Self {
            params,
            ..Self::default()
        }
    }

    /// Whether a packet may be queued behind `qlen` others; if not, it counts as dropped.
    #[inline]
    pub fn admits(&mut self, qlen: u32, limit: u32) -> bool {
        let admits = qlen < limit;
        if !admits {
            self.drops.overlimit = self.drops.overlimit.wrapping_add(1);
        }
        admits
    }

    /// Takes the next packet to send, as [`dequeue`].
    #[inline]
    pub fn dequeue<Q: Queue>(&mut self, queue: &mut Q) -> Option<Q::Packet> {
        dequeue(queue, &self.params, &mut self.vars, &mut self.stats)
    }

    /// Drops packets from the head until at most `limit` of the `qlen` packets are left.
    ///
    /// `drop_head` drops one; it returns false when there is none that it can drop.
    pub fn trim(&mut self, qlen: u32, limit: u32, mut drop_head: impl FnMut() -> bool) {
        for _ in limit..qlen {
            if !drop_head() {
                break;
            }
            self.drops.change = self.drops.change.wrapping_add(1);
        }
    }

    /// Sets CoDel back to the state of an empty queue. The `waiting` packets count as dropped.
    pub fn reset(&mut self, waiting: u32) {
        self.vars = Vars::default();
        self.drops.reset = self.drops.reset.wrapping_add(waiting);
    }
}
