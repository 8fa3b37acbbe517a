// SPDX-License-Identifier: GPL-2.0

//! The statistics of a kind, on their way to user space.

use kernel::{bindings::nlattr, prelude::*, transmute::AsBytes};

/// The most bytes of statistics, so that they are on the stack, and fit into a message
/// twice: C adds them for old readers as well.
const SIZE: usize = 1280;

/// The statistics of a qdisc or of a flow: the structure that the kind shares with others,
/// and behind it netlink attributes with what is its own.
///
/// Who knows the structure alone reads as much of it as ever.
///
/// # Invariants
///
/// `len` is no more than the size of `bytes`, and a multiple of 4.
pub struct Details {
    bytes: [u8; SIZE],
    len: usize,
}

impl Details {
    /// Begins with the structure.
    pub(super) fn new(stats: &impl AsBytes) -> Result<Self> {
        // INVARIANT: Nothing is in it.
        let mut details = Self {
            bytes: [0; SIZE],
            len: 0,
        };
        details.push(stats.as_bytes())?;
        Ok(details)
    }

    /// Adds an attribute that holds a `u32`.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` when there is no room left.
    pub fn put_u32(&mut self, attribute: u16, value: u32) -> Result {
        self.put_header(attribute, size_of::<u32>())?;
        self.push(&value.to_ne_bytes())
    }

    /// Likewise, some `u64`s.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` when there is no room left.
    pub fn put_u64s(&mut self, attribute: u16, values: impl Iterator<Item = u64>) -> Result {
        let start = self.len;
        self.put_header(attribute, 0)?;
        for value in values {
            self.push(&value.to_ne_bytes())?;
        }
        // The length is known now.
        let end = core::mem::replace(&mut self.len, start);
        self.put_header(attribute, end - start - size_of::<nlattr>())?;
        // INVARIANT: As it was.
        self.len = end;
        Ok(())
    }

    fn put_header(&mut self, attribute: u16, payload: usize) -> Result {
        // CAST: What is longer does not fit.
        let len = (size_of::<nlattr>() + payload) as u16;
        let ([a, b], [c, d]) = (len.to_ne_bytes(), attribute.to_ne_bytes());
        self.push(&[a, b, c, d])
    }

    fn push(&mut self, value: &[u8]) -> Result {
        let end = self.len + value.len().next_multiple_of(4);
        let room = self.bytes.get_mut(self.len..end).ok_or(EMSGSIZE)?;
        for (place, byte) in room.iter_mut().zip(value) {
            *place = *byte;
        }
        // INVARIANT: There was room, in steps of 4 bytes.
        self.len = end;
        Ok(())
    }

    /// What is in it.
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }
}

/// Statistics that are written without the lock of the qdisc.
pub trait UnlockedDetails: Send + Sync {
    /// Adds them to those of the qdisc.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` when there is no room left.
    ///
    /// # Context
    ///
    /// RTNL. Packets may be enqueued and dequeued meanwhile.
    fn put(&self, details: &mut Details) -> Result;
}
