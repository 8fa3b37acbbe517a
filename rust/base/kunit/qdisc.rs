// SPDX-License-Identifier: GPL-2.0

//! Packets that no device sends, and a qdisc to put them through.

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

/// The packets made here that are not freed yet, wherever they are.
pub fn packets() -> i32 {
    // SAFETY: Needs nothing.
    unsafe { bindings::kunit_packets() }
}

/// A packet outside of a qdisc.
///
/// # Invariants
///
/// It is valid, on no list, and nobody else has it. Its control buffer is initialised.
pub struct Packet(NonNull<sk_buff>);

impl Packet {
    /// Makes one of `len` bytes that has no protocol, and bears `mark`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(len: u16, mark: u32) -> Result<Self> {
        Self::alloc(len, mark, -1)
    }

    /// Makes one of IPv4, whose header has the DS field `dsfield`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn ipv4(len: u16, mark: u32, dsfield: u8) -> Result<Self> {
        Self::alloc(len, mark, dsfield.into())
    }

    fn alloc(len: u16, mark: u32, dsfield: i32) -> Result<Self> {
        // SAFETY: Needs a context that may sleep, which a test's is.
        let skb = unsafe { bindings::kunit_alloc_packet(len.into(), mark, dsfield) };
        // INVARIANT: Made just now.
        Ok(Self(NonNull::new(skb).ok_or(ENOMEM)?))
    }

    /// The mark by which packets are told apart.
    pub fn mark(&self) -> u32 {
        // SAFETY: By the type invariants.
        unsafe { bindings::kunit_packet_mark(self.0.as_ptr()) }
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the packet is ours; it is not used again.
        unsafe { kernel::bindings::consume_skb(self.0.as_ptr()) };
    }
}

/// What C counts of a qdisc.
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

/// A qdisc of the kind `T` by itself: a test takes the place of the device.
///
/// The kind need not be registered. Dropping it frees the packets in it.
///
/// # Invariants
///
/// `sch` is a qdisc that was initialised for `ops`, and that only this knows.
pub struct Standalone<T: Qdisc> {
    sch: NonNull<bindings::Qdisc>,
    // C keeps a pointer to it.
    _ops: KBox<Opaque<Tables>>,
    _kind: PhantomData<T>,
}

impl<T: Qdisc> Standalone<T> {
    /// Makes one without options, as for a device that comes up.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the kind refuses; `ack` can say why.
    /// - `ENOMEM`.
    ///
    /// # Context
    ///
    /// May sleep; takes RTNL. So do the other methods that do not move packets.
    pub fn new(ack: &mut Ack) -> Result<Self> {
        let ops = KBox::new(Opaque::new(Ops::<T>::tables()), GFP_KERNEL)?;
        // SAFETY: The ops are complete, and stay in their place until the qdisc is gone.
        let sch = unsafe { bindings::kunit_qdisc_create(ops.get().cast(), ack.as_mut_ptr()) };
        // INVARIANT: Made just now.
        Ok(Self {
            sch: NonNull::new(sch).ok_or(EINVAL)?,
            _ops: ops,
            _kind: PhantomData,
        })
    }

    /// Puts a packet in; false when the qdisc did not take it.
    pub fn enqueue(&mut self, packet: Packet) -> bool {
        let skb = ManuallyDrop::new(packet).0.as_ptr();
        // SAFETY: By the type invariants of both.
        let code = unsafe { bindings::kunit_qdisc_enqueue(self.sch.as_ptr(), skb) };
        // CAST: The code is 0.
        code == bindings::NET_XMIT_SUCCESS as i32
    }

    /// Takes the next packet out.
    pub fn dequeue(&mut self) -> Option<Packet> {
        // SAFETY: By the type invariants.
        let skb = unsafe { bindings::kunit_qdisc_dequeue(self.sch.as_ptr()) };
        // INVARIANT: It was the qdisc's, and is handed over.
        NonNull::new(skb).map(Packet)
    }

    /// Returns the mark of the packet that comes next.
    pub fn peek(&mut self) -> Option<u32> {
        // SAFETY: By the type invariants.
        u32::try_from(unsafe { bindings::kunit_qdisc_peek(self.sch.as_ptr()) }).ok()
    }

    /// Changes the configuration.
    ///
    /// # Errors
    ///
    /// - `EOPNOTSUPP`: the kind cannot do that.
    /// - Those of [`Qdisc::parse`].
    pub fn change(&mut self, options: &Request, ack: &mut Ack) -> Result {
        // SAFETY: By the type invariants of all.
        to_result(unsafe {
            bindings::kunit_qdisc_change(self.sch.as_ptr(), options.as_ptr(), ack.as_mut_ptr())
        })
    }

    /// Writes the configuration to `message`.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` when the message is full.
    pub fn dump(&mut self, message: &mut Message) -> Result {
        // SAFETY: By the type invariants of both.
        to_result(unsafe { bindings::kunit_qdisc_dump(self.sch.as_ptr(), message.as_ptr()) })
    }

    /// Empties the queue, as for a device that goes down.
    pub fn reset(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::kunit_qdisc_reset(self.sch.as_ptr()) };
    }

    /// Returns what C has counted.
    pub fn counts(&self) -> Counts {
        let sch = self.sch.as_ptr();
        // SAFETY: By the type invariants the qdisc is valid, and nobody writes to it now.
        // The counts of a 64-bit kernel are one `u64` each.
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
        // SAFETY: By the type invariants nobody else uses the qdisc. The core frees its
        // memory later, without a look at the ops.
        unsafe { bindings::kunit_qdisc_destroy(self.sch.as_ptr()) };
    }
}
