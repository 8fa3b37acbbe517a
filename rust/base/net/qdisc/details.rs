// SPDX-License-Identifier: GPL-2.0

//! Implements the buffer in which the statistics of a kind are sent to user space.

use kernel::{bindings::nlattr, prelude::*, transmute::AsBytes};

/// The most bytes of statistics. They must fit on the stack, and twice into a message: C adds a
/// second copy for old readers.
const SIZE: usize = 1280;

/// The statistics of a qdisc or of a flow. First comes the structure that the kind shares with
/// other kinds, then netlink attributes with the statistics that only this kind has.
///
/// Readers that know only the structure read it as before.
///
/// # Invariants
///
/// `len` is at most the size of `bytes`, and a multiple of 4.
pub struct Details {
    bytes: [u8; SIZE],
    len: usize,
}

impl Details {
    /// Makes a buffer that begins with the structure `stats`.
    pub(super) fn new(stats: &impl AsBytes) -> Result<Self> {
        // INVARIANT: `len` is 0.
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
    /// `EMSGSIZE`: there is no room left.
    pub fn put_u32(&mut self, attribute: u16, value: u32) -> Result {
        self.put_header(attribute, size_of::<u32>())?;
        self.push(&value.to_ne_bytes())
    }

    /// Adds an attribute that holds an array of `u64`.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE`: there is no room left.
    pub fn put_u64s(&mut self, attribute: u16, values: impl Iterator<Item = u64>) -> Result {
        let start = self.len;
        self.put_header(attribute, 0)?;
        for value in values {
            self.push(&value.to_ne_bytes())?;
        }
        // Overwrite the header: the length is known only now.
        let end = core::mem::replace(&mut self.len, start);
        self.put_header(attribute, end - start - size_of::<nlattr>())?;
        // INVARIANT: This is the value that `push` has set.
        self.len = end;
        Ok(())
    }

    fn put_header(&mut self, attribute: u16, payload: usize) -> Result {
        // CAST: A length above 16 bits does not fit into the buffer, and `push` fails then.
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
        // INVARIANT: There was room up to `end`, which is a multiple of 4.
        self.len = end;
        Ok(())
    }

    /// Returns the bytes that were added.
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }
}

/// Statistics that are written without the lock of the qdisc.
pub trait UnlockedDetails: Send + Sync {
    /// Adds these statistics to `details`.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE`: there is no room left.
    ///
    /// # Context
    ///
    /// RTNL is held. Packets may be enqueued and dequeued at the same time.
    fn put(&self, details: &mut Details) -> Result;
}
