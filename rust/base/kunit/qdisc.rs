// SPDX-License-Identifier: GPL-2.0

//! Implements packets and a qdisc without a device for KUnit tests.

use super::{Ack, Message, Request};
use crate::{
    bindings,
    net::qdisc::{
        ops::{Ops, Tables},
        Qdisc,
    },
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::{self, NonNull},
};
use kernel::{bindings::sk_buff, error::to_result, prelude::*, types::Opaque};

/// Returns the number of packets that were made in this file and are not freed yet.
pub fn packets() -> i32 {
    // SAFETY: The helper has no requirements.
    unsafe { bindings::kunit_packets() }
}

/// A packet outside of a qdisc.
///
/// # Invariants
///
/// The packet is valid and on no list, and no other code has a pointer to it. Its control buffer is
/// initialised.
pub struct Packet(NonNull<sk_buff>);

impl Packet {
    /// Makes a packet of `len` bytes without a protocol and with the mark `mark`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is no memory for the packet.
    pub fn new(len: u16, mark: u32) -> Result<Self> {
        Self::alloc(len, mark, -1)
    }

    /// Makes an IPv4 packet of `len` bytes, with the mark `mark` and the DS field `dsfield`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is no memory for the packet.
    pub fn ipv4(len: u16, mark: u32, dsfield: u8) -> Result<Self> {
        Self::alloc(len, mark, dsfield.into())
    }

    fn alloc(len: u16, mark: u32, dsfield: i32) -> Result<Self> {
        // SAFETY: The helper needs a context that may sleep. A test may sleep.
        let skb = unsafe { bindings::kunit_alloc_packet(len.into(), mark, dsfield) };
        // INVARIANT: The packet was made just now.
        Ok(Self(NonNull::new(skb).ok_or(ENOMEM)?))
    }

    /// Returns the mark, by which tests distinguish packets.
    pub fn mark(&self) -> u32 {
        // SAFETY: By the type invariants.
        unsafe { bindings::kunit_packet_mark(self.0.as_ptr()) }
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        // SAFETY: By the type invariants this owns the packet, which is not used again.
        unsafe { kernel::bindings::consume_skb(self.0.as_ptr()) };
    }
}

/// The counts of a qdisc that C keeps.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Packets that wait.
    pub qlen: u32,
    /// Bytes that wait.
    pub backlog: u32,
    /// Packets sent.
    pub packets: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Packets dropped.
    pub drops: u32,
}

/// A qdisc of the kind `T` without a device: the test enqueues and dequeues packets itself.
///
/// The kind need not be registered. Dropping the qdisc frees its packets.
///
/// # Invariants
///
/// `sch` is a qdisc that was initialised for `_ops`. No other code has a pointer to it.
pub struct Standalone<T: Qdisc> {
    sch: NonNull<bindings::Qdisc>,
    // C keeps a pointer to it.
    _ops: KBox<Opaque<Tables>>,
    _kind: PhantomData<T>,
}

impl<T: Qdisc> Standalone<T> {
    /// Makes a qdisc without options, as for a device that comes up.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the kind refuses the qdisc. `ack` can contain the reason.
    /// - `ENOMEM`: there is no memory for the ops.
    ///
    /// # Context
    ///
    /// May sleep, and takes RTNL. The same holds for the other methods that do not move packets.
    pub fn new(ack: &mut Ack) -> Result<Self> {
        let ops = KBox::new(Opaque::new(Ops::<T>::tables()), GFP_KERNEL)?;
        // SAFETY: The ops are complete. The box keeps them at their address until the qdisc was
        // destroyed.
        let sch = unsafe { bindings::kunit_qdisc_create(ops.get().cast(), ack.as_mut_ptr()) };
        // INVARIANT: The qdisc was made just now.
        Ok(Self {
            sch: NonNull::new(sch).ok_or(EINVAL)?,
            _ops: ops,
            _kind: PhantomData,
        })
    }

    /// Enqueues a packet. Returns false if the qdisc did not queue it.
    pub fn enqueue(&mut self, packet: Packet) -> bool {
        let skb = ManuallyDrop::new(packet).0.as_ptr();
        // SAFETY: By the type invariants of the qdisc and of the packet.
        let code = unsafe { bindings::kunit_qdisc_enqueue(self.sch.as_ptr(), skb) };
        // CAST: `NET_XMIT_SUCCESS` is 0.
        code == bindings::NET_XMIT_SUCCESS as i32
    }

    /// Dequeues the next packet.
    pub fn dequeue(&mut self) -> Option<Packet> {
        // SAFETY: By the type invariants.
        let skb = unsafe { bindings::kunit_qdisc_dequeue(self.sch.as_ptr()) };
        // INVARIANT: The qdisc owned the packet, and passes the ownership.
        NonNull::new(skb).map(Packet)
    }

    /// Peeks at the next packet, and returns its mark.
    pub fn peek(&mut self) -> Option<u32> {
        // SAFETY: By the type invariants.
        u32::try_from(unsafe { bindings::kunit_qdisc_peek(self.sch.as_ptr()) }).ok()
    }

    /// Changes the configuration.
    ///
    /// # Errors
    ///
    /// - `EOPNOTSUPP`: the kind does not implement changes.
    /// - Those of [`Qdisc::parse`].
    pub fn change(&mut self, options: &Request, ack: &mut Ack) -> Result {
        // SAFETY: By the type invariants of the qdisc, the request and the acknowledgement.
        to_result(unsafe {
            bindings::kunit_qdisc_change(self.sch.as_ptr(), options.as_ptr(), ack.as_mut_ptr())
        })
    }

    /// Writes the configuration to `message`.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE`: the message is full.
    pub fn dump(&mut self, message: &mut Message) -> Result {
        // SAFETY: By the type invariants of the qdisc and of the message.
        to_result(unsafe { bindings::kunit_qdisc_dump(self.sch.as_ptr(), message.as_ptr()) })
    }

    /// Empties the queue, as for a device that goes down.
    pub fn reset(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::kunit_qdisc_reset(self.sch.as_ptr()) };
    }

    /// Returns the counts that C keeps.
    pub fn counts(&self) -> Counts {
        let sch = self.sch.as_ptr();
        // SAFETY: By the type invariants the qdisc is valid, and no other code writes to it. On a
        // 64-bit kernel each count is one `u64`.
        unsafe {
            Counts {
                qlen: (*sch).q.qlen,
                backlog: (*sch).qstats.backlog,
                packets: ptr::read((&raw const (*sch).bstats.packets).cast()),
                bytes: ptr::read((&raw const (*sch).bstats.bytes).cast()),
                drops: (*sch).qstats.drops,
            }
        }
    }
}

impl<T: Qdisc> Drop for Standalone<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants no other code uses the qdisc. The core frees the qdisc's
        // memory later, but does not use the ops then.
        unsafe { bindings::kunit_qdisc_destroy(self.sch.as_ptr()) };
    }
}
