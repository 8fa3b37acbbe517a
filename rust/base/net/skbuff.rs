// SPDX-License-Identifier: GPL-2.0

//! Implements packets (`struct sk_buff`) as qdiscs handle them.
//!
//! C headers: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h),
//! [`include/net/sch_generic.h`](srctree/include/net/sch_generic.h) (the control buffer),
//! [`include/net/inet_ecn.h`](srctree/include/net/inet_ecn.h)

mod list;

pub use list::SkbList;

use crate::bindings;
use core::{marker::PhantomData, mem::ManuallyDrop, ptr, ptr::NonNull};
use kernel::{
    bindings::{sk_buff, sk_buff_head},
    transmute::{AsBytes, FromBytes},
};

/// Why a qdisc drops a packet, for the tracepoint `skb:kfree_skb` and drop monitors.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum DropReason {
    /// A reason that is none of the others.
    Generic = bindings::qdisc_drop_reason_QDISC_DROP_GENERIC,
    /// The queue has reached its limit.
    OverLimit = bindings::qdisc_drop_reason_QDISC_DROP_OVERLIMIT,
    /// The algorithm for queue management has found that the queue is congested.
    Congested = bindings::qdisc_drop_reason_QDISC_DROP_CONGESTED,
}

/// An owned packet during a call of a qdisc.
///
/// The packet cannot outlive the call, whose lifetime is `'call`. So it cannot be stored, and
/// cannot outlive its device. It also cannot be sent through another qdisc, whose device may have
/// fewer queues than the packet's `queue_mapping` says. Between calls a packet is in the queue of
/// the qdisc or in an [`SkbList`] of the qdisc's state.
///
/// Dropping this frees the packet, with [`DropReason::Generic`], and does not count it. The methods
/// of [`Enqueue`](super::qdisc::Enqueue) and [`Dequeue`](super::qdisc::Dequeue) that drop a packet
/// also count it.
///
/// # Invariants
///
/// `skb` points at a valid packet that is on no list (`next` is null), and to which no other code
/// has a pointer. Its control buffer is a `struct qdisc_skb_cb`, of which all bytes are
/// initialised.
#[must_use = "a packet that is not put anywhere is dropped"]
#[repr(transparent)]
pub struct SkBuff<'call> {
    skb: NonNull<sk_buff>,
    _call: PhantomData<&'call mut sk_buff>,
}

impl<'call> SkBuff<'call> {
    /// Takes a packet over from C.
    ///
    /// # Safety
    ///
    /// `skb` points at a valid packet that is on no list (`next` is null) and that the caller owns.
    /// The packet is for the qdisc of the call `'call`.
    #[inline]
    pub(crate) unsafe fn from_raw(skb: NonNull<sk_buff>) -> Self {
        // INVARIANT: By the function's requirements. C zeroes the control buffer when it makes the
        // packet, and `__dev_xmit_skb()` sets up the head of the control buffer before each qdisc.
        Self {
            skb,
            _call: PhantomData,
        }
    }

    /// Hands the packet over to C.
    #[inline]
    pub(crate) fn into_raw(self) -> *mut sk_buff {
        self.into_skb().as_ptr()
    }

    /// Hands the packet over to a list.
    #[inline]
    pub(super) fn into_skb(self) -> NonNull<sk_buff> {
        ManuallyDrop::new(self).skb
    }

    /// Returns the part of the packet that belongs to the qdisc layer.
    #[inline]
    fn control(&self) -> *mut bindings::qdisc_skb_cb {
        // SAFETY: By the type invariants the packet is valid.
        unsafe { &raw mut (*self.skb.as_ptr()).cb }.cast()
    }

    /// Returns the length in bytes that qdiscs account for. It is the length of the packet with the
    /// headers of all its segments, or the length that a size table (`tc ... stab`) gives.
    #[inline]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u32 {
        // SAFETY: By the type invariants.
        unsafe { (*self.control()).pkt_len }
    }

    /// Returns the number of packets on the wire into which the device will split this one.
    #[inline]
    pub fn segments(&self) -> u16 {
        // SAFETY: By the type invariants.
        unsafe { (*self.control()).pkt_segs }
    }

    /// Returns the part of the `struct sk_buff` that C copies as a group, with the name `headers`.
    #[inline]
    fn headers(&self) -> *mut Headers {
        // SAFETY: By the type invariants the packet is valid. Only an address is computed. The
        // member without a name in C has the same layout as the one that is called `headers`.
        unsafe { &raw mut (*self.skb.as_ptr()).__bindgen_anon_4 }.cast()
    }

    /// Returns the priority that the socket or a filter has set. It can be the number of a class of
    /// a qdisc.
    #[inline]
    pub fn priority(&self) -> u32 {
        // SAFETY: By the type invariants.
        unsafe { (*self.headers()).priority }
    }

    /// Returns a hash of the packet's flow, spread over 32 bits. It is the hash of the addresses,
    /// the protocol and the ports, with a secret key of the kernel. It is computed once for a
    /// packet.
    #[inline]
    pub fn hash(&mut self) -> u32 {
        let headers = self.headers();
        // SAFETY: By the type invariants the packet is valid, and this owns it. The code is that of
        // C's `skb_get_hash()`. The callee accepts null for the network namespace and looks it up.
        unsafe {
            if Headers::l4_hash_raw(headers) == 0 && Headers::sw_hash_raw(headers) == 0 {
                kernel::bindings::__skb_get_hash_net(ptr::null(), self.skb.as_ptr());
            }
            (*headers).hash
        }
    }

    /// Returns the bytes of memory that the packet takes and that no socket is charged for; 0 if
    /// the packet's socket is charged.
    #[inline]
    pub fn uncharged_memory(&self) -> u32 {
        // SAFETY: By the type invariants. In a packet that is in a qdisc, this member of the union
        // is the destructor, which can be null.
        let destructor = unsafe {
            (*self.skb.as_ptr())
                .__bindgen_anon_3
                .__bindgen_anon_1
                .destructor
        };
        // CAST: The addresses of the functions are compared, as C's `is_skb_wmem()` does.
        let is = |charged: unsafe extern "C" fn(*mut sk_buff)| {
            destructor.is_some_and(|destructor| destructor as usize == charged as usize)
        };
        if is(bindings::sock_wfree) {
            return 0;
        }
        #[cfg(CONFIG_INET)]
        if is(bindings::__sock_wfree) || is(bindings::tcp_wfree) {
            return 0;
        }
        // SAFETY: By the type invariants.
        unsafe { (*self.skb.as_ptr()).truesize }
    }

    /// Returns the note that the qdisc has stored in the packet with [`set_note`](Self::set_note).
    ///
    /// If the qdisc has stored none, or one of another type, the value is arbitrary, but valid.
    #[inline]
    pub fn note<T: FromBytes>(&self) -> T {
        const { assert!(size_of::<T>() <= NOTE_SIZE) };
        // SAFETY: By the type invariants the array is valid and initialised. `T` is not larger than
        // the array, and all bit patterns are valid for `T`.
        unsafe { ptr::read_unaligned((&raw const (*self.control()).data).cast()) }
    }

    /// Stores a note in the packet, which stays there as long as the packet is in the qdisc.
    ///
    /// Does not compile for a note of more than 20 bytes.
    #[inline]
    pub fn set_note<T: AsBytes + FromBytes>(&mut self, note: T) {
        const { assert!(size_of::<T>() <= NOTE_SIZE) };
        // SAFETY: By the type invariants the array is valid, and `T` is not larger.
        // INVARIANT: `T` has no uninitialised bytes.
        unsafe { ptr::write_unaligned((&raw mut (*self.control()).data).cast(), note) }
    }

    /// Marks the packet with ECN CE. Returns true if the packet has that mark now. Returns false if
    /// its sender has not negotiated ECN, or if it is not an IP packet.
    #[inline]
    pub fn set_ce(&mut self) -> bool {
        // SAFETY: By the type invariants the packet is valid, and this owns it.
        unsafe { bindings::INET_ECN_set_ce(self.skb.as_ptr()) != 0 }
    }

    /// Returns the DS field of the IP header, including the ECN bits; [`None`] if it is not an IP
    /// packet.
    ///
    /// The method takes `&mut self` since it may have to make the header linear.
    #[inline]
    pub fn dsfield(&mut self) -> Option<u8> {
        // SAFETY: By the type invariants the packet is valid, and this owns it.
        u8::try_from(unsafe { bindings::skb_get_dsfield(self.skb.as_ptr()) }).ok()
    }
}

/// The type of the group `headers` of `struct sk_buff`.
type Headers = kernel::bindings::sk_buff__bindgen_ty_4__bindgen_ty_2;

/// Returns the address of the field `next` of a packet.
///
/// # Safety
///
/// `skb` points at a valid packet.
#[inline]
pub(super) unsafe fn next(skb: *mut sk_buff) -> *mut *mut sk_buff {
    // SAFETY: By the function's requirements. Only an address is computed.
    unsafe { &raw mut (*skb).__bindgen_anon_1.__bindgen_anon_1.next }
}

/// Puts a packet at the head of a list, like C's `__skb_queue_head()`. It is not a call of a
/// helper: the call would double the time that this takes for each packet that a parent peeks at.
///
/// # Safety
///
/// `list` is valid, and the caller may change it. `skb` points at a valid packet that is on no
/// list.
#[inline]
pub(super) unsafe fn queue_head(list: *mut sk_buff_head, skb: *mut sk_buff) {
    // The first fields of a packet and of the list.
    type Links = kernel::bindings::sk_buff_head__bindgen_ty_1__bindgen_ty_1;
    // SAFETY: By the function's requirements. The list is a ring that includes `list`, and each
    // member of the ring begins with its links. Other code may read the links without the lock, so
    // each is written in one access.
    unsafe {
        let (new, head) = (skb.cast::<Links>(), list.cast::<Links>());
        let first = (*head).next.cast::<Links>();
        (&raw mut (*new).next).write_volatile(first.cast());
        (&raw mut (*new).prev).write_volatile(head.cast());
        (&raw mut (*first).prev).write_volatile(skb);
        (&raw mut (*head).next).write_volatile(skb);
        let qlen = &raw mut (*list).qlen;
        qlen.write_volatile((*qlen).wrapping_add(1));
    }
}

/// The bytes of each packet's control buffer that a qdisc may use for a note.
const NOTE_SIZE: usize = bindings::QDISC_CB_PRIV_LEN as usize;

impl Drop for SkBuff<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants this owns the packet, which is not used again.
        unsafe { free(self.skb.as_ptr(), DropReason::Generic) };
    }
}

/// Frees a packet: C's `kfree_skb_reason()`.
///
/// # Safety
///
/// `skb` points at a valid packet, which no code uses any more.
#[inline]
pub(super) unsafe fn free(skb: *mut sk_buff, reason: DropReason) {
    // SAFETY: By the function's requirements.
    unsafe { kernel::bindings::sk_skb_reason_drop(ptr::null(), skb, reason as u32) };
}

/// Returns the address of the data that C's traffic control stores in a packet.
///
/// # Safety
///
/// `skb` points at a valid packet that is in a qdisc.
#[inline]
pub(super) unsafe fn tc_skb_cb(skb: *mut sk_buff) -> *mut bindings::tc_skb_cb {
    // SAFETY: By the function's requirements. Only an address is computed.
    unsafe { (&raw mut (*skb).cb).cast() }
}
