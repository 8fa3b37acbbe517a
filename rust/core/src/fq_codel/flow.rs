// SPDX-License-Identifier: GPL-2.0

//! Flows, and the lists that they take turns on.

use super::Quantum;
use crate::codel::Vars;

/// The link of the last flow of a list.
///
/// As an index it is out of range: looking for the flow behind it finds that there is none.
const NONE: u32 = u32::MAX;
/// The link of a flow that is on no list.
const UNLISTED: u32 = u32::MAX - 1;

/// A flow: packets that wait for each other.
///
/// `L` holds the packets, first in, first out. For the flow to be a cache line, as it is
/// in the kernel, `L` must not be larger than three words.
#[derive(Debug)]
#[repr(align(64))]
pub struct Flow<L> {
    /// The packets.
    pub packets: L,
    next: u32,
    /// The bytes that it may send before the next flow has its turn.
    pub(super) deficit: i32,
    pub(super) vars: Vars,
}

impl<L> Flow<L> {
    /// Makes a flow that is on no list, with no packets in `packets`.
    #[inline]
    pub fn new(packets: L) -> Self {
        Flow {
            packets,
            next: UNLISTED,
            deficit: 0,
            vars: Vars::default(),
        }
    }

    /// Whether the flow is on a list: it has packets, or had some a short while ago.
    #[inline]
    pub fn is_listed(&self) -> bool {
        self.next != UNLISTED
    }

    /// Makes a flow that is on no list ready for [`List::push`], with a deficit of one turn.
    ///
    /// False if it is on one.
    #[inline]
    pub(super) fn enlist(&mut self, quantum: Quantum) -> bool {
        let unlisted = !self.is_listed();
        if unlisted {
            self.next = NONE;
            // CAST: No more than 2^20.
            self.deficit = quantum.bytes() as i32;
        }
        unlisted
    }

    /// Marks a flow that was taken off its list as being on none.
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
        // CAST: No more than 2^20.
        self.deficit = self.deficit.wrapping_add(quantum.bytes() as i32);
    }

    #[inline]
    pub(super) fn take_deficit(&mut self, len: u32) {
        // CAST: As C does it.
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
    /// [`NONE`] for an empty list.
    head: u32,
    /// Has no meaning in an empty list.
    tail: u32,
}

impl List {
    /// A list without flows.
    const EMPTY: List = List {
        head: NONE,
        tail: NONE,
    };

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.head == NONE
    }

    /// Adds the flow of this index at the end.
    ///
    /// It is one that [`Flow::enlist`] has made ready, or [`Turns::pop`] has taken off.
    #[inline]
    pub(super) fn push<L>(&mut self, flows: &mut [Flow<L>], index: usize) {
        // CAST: No table is longer than 2^16.
        let index = index as u32;
        if self.is_empty() {
            self.head = index;
        } else if let Some(last) = flows.get_mut(self.tail as usize) {
            last.next = index;
        }
        self.tail = index;
    }

    /// Takes the first flow off, which `flow` is.
    #[inline]
    fn pop<L>(&mut self, flow: &mut Flow<L>) {
        self.head = core::mem::replace(&mut flow.next, NONE);
    }

    /// The indices of the flows in the list, from its head on.
    pub(super) fn iter<'a, L>(&self, flows: &'a [Flow<L>]) -> impl Iterator<Item = u32> + 'a {
        let mut next = self.head;
        core::iter::from_fn(move || {
            let index = next;
            next = flows.get(index as usize)?.next;
            Some(index)
        })
    }
}

/// The flows that want to send.
#[derive(Debug)]
pub(super) struct Turns {
    pub(super) new: List,
    pub(super) old: List,
}

impl Turns {
    /// No flow wants to.
    pub(super) const NONE: Turns = Turns {
        new: List::EMPTY,
        old: List::EMPTY,
    };

    /// The index of the flow that has its turn: the first of the new ones, or else of the
    /// old ones. That of no flow if there are neither.
    #[inline]
    pub(super) fn next(&self) -> usize {
        if self.new.is_empty() {
            self.old.head as usize
        } else {
            self.new.head as usize
        }
    }

    /// Takes the flow that has its turn, which `flow` is, off its list.
    ///
    /// It is to be put on a list again, or marked with [`Flow::unlist`].
    #[inline]
    pub(super) fn pop<L>(&mut self, flow: &mut Flow<L>) {
        if self.new.is_empty() {
            self.old.pop(flow);
        } else {
            self.new.pop(flow);
        }
    }
}
