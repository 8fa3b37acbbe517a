// SPDX-License-Identifier: GPL-2.0

//! Implements flows, and the lists in which they take turns.

use super::Quantum;
use crate::codel::Vars;

/// The link of the last flow of a list.
///
/// As an index it is out of range, so the lookup of the next flow finds none.
const NONE: u32 = u32::MAX;
/// The link of a flow that is on no list.
const UNLISTED: u32 = u32::MAX - 1;

/// A flow: a FIFO queue of packets.
///
/// `L` holds the packets, first in, first out. In the kernel a flow is one cache line. For this
/// `L` must not be larger than three words.
#[derive(Debug)]
#[repr(align(64))]
pub struct Flow<L> {
    /// The packets.
    pub packets: L,
    next: u32,
    /// The number of bytes that the flow may send before the turn of the next flow.
    pub(super) deficit: i32,
    pub(super) vars: Vars,
}

impl<L> Flow<L> {
    /// Creates a flow that is on no list and has no packets in `packets`.
    #[inline]
    pub fn new(packets: L) -> Self {
        Flow {
            packets,
            next: UNLISTED,
            deficit: 0,
            vars: Vars::default(),
        }
    }

    /// Returns whether the flow is on a list: it has packets, or had packets at its last turn.
    #[inline]
    pub fn is_listed(&self) -> bool {
        self.next != UNLISTED
    }

    /// Prepares a flow that is on no list for [`List::push`], with the deficit of one turn.
    ///
    /// Returns false if the flow is on a list.
    #[inline]
    pub(super) fn enlist(&mut self, quantum: Quantum) -> bool {
        let unlisted = !self.is_listed();
        if unlisted {
            self.next = NONE;
            // CAST: The value is at most 2^20.
            self.deficit = quantum.bytes() as i32;
        }
        unlisted
    }

    /// Marks a flow that was removed from its list as a flow on no list.
    #[inline]
    pub(super) fn unlist(&mut self) {
        self.next = UNLISTED;
    }

    #[inline]
    pub(super) fn has_deficit(&self) -> bool {
        self.deficit > 0
    }

    #[inline]
    pub(super) fn add_deficit(&mut self, quantum: Quantum) {
        // CAST: The value is at most 2^20.
        self.deficit = self.deficit.wrapping_add(quantum.bytes() as i32);
    }

    #[inline]
    pub(super) fn take_deficit(&mut self, len: u32) {
        // CAST: C converts the length in the same way.
        self.deficit = self.deficit.wrapping_sub(len as i32);
    }
}

impl<L: Default> Default for Flow<L> {
    fn default() -> Self {
        Self::new(L::default())
    }
}

/// A list of flows, linked by their indices in the table of flows.
#[derive(Debug)]
pub(super) struct List {
    /// The index of the first flow; [`NONE`] for an empty list.
    head: u32,
    /// The index of the last flow, which is not valid for an empty list.
    tail: u32,
}

impl List {
    /// An empty list.
    const EMPTY: List = List {
        head: NONE,
        tail: NONE,
    };

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.head == NONE
    }

    /// Appends the flow of this index.
    ///
    /// The flow must come from [`Flow::enlist`] or [`Turns::pop`].
    #[inline]
    pub(super) fn push<L>(&mut self, flows: &mut [Flow<L>], index: usize) {
        // CAST: The index is less than 2^16, the maximum number of flows.
        let index = index as u32;
        if self.is_empty() {
            self.head = index;
        } else if let Some(last) = flows.get_mut(self.tail as usize) {
            last.next = index;
        }
        self.tail = index;
    }

    /// Removes the first flow, which must be `flow`.
    #[inline]
    fn pop<L>(&mut self, flow: &mut Flow<L>) {
        self.head = core::mem::replace(&mut flow.next, NONE);
    }

    /// Returns the indices of the flows in the list, from its head on.
    pub(super) fn iter<'a, L>(&self, flows: &'a [Flow<L>]) -> impl Iterator<Item = u32> + 'a {
        let mut next = self.head;
        core::iter::from_fn(move || {
            let index = next;
            next = flows.get(index as usize)?.next;
            Some(index)
        })
    }
}

/// The lists of flows that take turns.
#[derive(Debug)]
pub(super) struct Turns {
    pub(super) new: List,
    pub(super) old: List,
}

impl Turns {
    /// Empty lists.
    pub(super) const NONE: Turns = Turns {
        new: List::EMPTY,
        old: List::EMPTY,
    };

    /// Returns the index of the flow whose turn it is: the first of the new flows, or else of the
    /// old flows. The index is out of range if both lists are empty.
    #[inline]
    pub(super) fn next(&self) -> usize {
        if self.new.is_empty() {
            self.old.head as usize
        } else {
            self.new.head as usize
        }
    }

    /// Removes the flow whose turn it is, which must be `flow`, from its list.
    ///
    /// The caller must put the flow on a list again, or mark it with [`Flow::unlist`].
    #[inline]
    pub(super) fn pop<L>(&mut self, flow: &mut Flow<L>) {
        if self.new.is_empty() {
            self.old.pop(flow);
        } else {
            self.new.pop(flow);
        }
    }
}
