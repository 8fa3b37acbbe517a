// SPDX-License-Identifier: GPL-2.0

//! Packets.
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
    /// None of the others.
    Generic = bindings::qdisc_drop_reason_QDISC_DROP_GENERIC,
    /// The queue has reached its limit.
    OverLimit = bindings::qdisc_drop_reason_QDISC_DROP_OVERLIMIT,
    /// The queue management says that the queue is congested.
    Congested = bindings::qdisc_drop_reason_QDISC_DROP_CONGESTED,
}

/// A packet on its way through a qdisc, owned.
///
/// It lives for one call of the qdisc: `'call` keeps it from being stored away, from
/// being sent through another qdisc (whose device may have fewer queues than the
/// packet's `queue_mapping` says), and from outliving its device. Between calls a packet
/// is in a queue that belongs to the qdisc: its own, or an [`SkbList`] of its state.
///
/// Dropping it frees the packet, with [`DropReason::Generic`]; the methods of
/// [`Enqueue`](super::qdisc::Enqueue) and [`Dequeue`](super::qdisc::Dequeue) that drop a
/// packet count it too.
///
/// # Invariants
///
/// `skb` points at a valid packet that is on no list (`next` is null) and that nobody else
/// has. Its
/// control buffer is a `struct qdisc_skb_cb`, of which all bytes are initialised.
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
    /// `skb` points at a valid packet that is on no list (`next` is null) and belongs to the
    /// caller, in a qdisc that the call `'call` is for.
    #[inline]
    pub(crate) unsafe fn from_raw(skb: NonNull<sk_buff>) -> Self {
        // INVARIANT: By the function's requirements; C zeroes the control buffer when it
        // makes the packet, and `__dev_xmit_skb()` sets up its head before each qdisc.
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

    /// The length that qdiscs account for in bytes: that of the packet with the headers
    /// of all its segments, or what a size table (`tc ... stab`) makes of it.
    #[inline]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u32 {
        // SAFETY: By the type invariants.
        unsafe { (*self.control()).pkt_len }
    }

    /// The packets on the wire that this one will become.
    #[inline]
    pub fn segments(&self) -> u16 {
        // SAFETY: By the type invariants.
        unsafe { (*self.control()).pkt_segs }
    }

    /// The part of the packet that is copied with its headers.
    #[inline]
    fn headers(&self) -> *mut Headers {
        // SAFETY: By the type invariants the packet is valid; only a place is computed. The
        // member that C has without a name is as large as the one that is called `headers`.
        unsafe { &raw mut (*self.skb.as_ptr()).__bindgen_anon_4 }.cast()
    }

    /// The priority that the socket or a filter has set; it can name a class of a qdisc.
    #[inline]
    pub fn priority(&self) -> u32 {
        // SAFETY: By the type invariants.
        unsafe { (*self.headers()).priority }
    }

    /// A hash of the packet's flow, spread over 32 bits: of its addresses, protocol and
    /// ports, perturbed by a secret of the kernel. Computed once for a packet.
    #[inline]
    pub fn hash(&mut self) -> u32 {
        let headers = self.headers();
        // SAFETY: By the type invariants the packet is valid and ours. That is what C's
        // `skb_get_hash()` does; the network is looked up by it.
        unsafe {
            if Headers::l4_hash_raw(headers) == 0 && Headers::sw_hash_raw(headers) == 0 {
                kernel::bindings::__skb_get_hash_net(ptr::null(), self.skb.as_ptr());
            }
            (*headers).hash
        }
    }

    /// The bytes of memory that the packet takes and nobody has been charged for: 0 if its
    /// socket has.
    #[inline]
    pub fn uncharged_memory(&self) -> u32 {
        // SAFETY: By the type invariants; a packet of a qdisc has a destructor or none there.
        let destructor = unsafe {
            (*self.skb.as_ptr())
                .__bindgen_anon_3
                .__bindgen_anon_1
                .destructor
        };
        // CAST: Functions are compared, as C's `is_skb_wmem()` does it.
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

    /// Returns what the qdisc noted on the packet with [`set_note`](Self::set_note).
    ///
    /// If it did not, or with another type, the value is arbitrary, but valid.
    #[inline]
    pub fn note<T: FromBytes>(&self) -> T {
        const { assert!(size_of::<T>() <= NOTE_SIZE) };
        // SAFETY: By the type invariants the array is valid and initialised; all byte
        // patterns are valid for `T`, which is not larger.
        unsafe { ptr::read_unaligned((&raw const (*self.control()).data).cast()) }
    }

    /// Notes something on the packet for as long as it is in the qdisc.
    ///
    /// Does not compile for more than 20 bytes.
    #[inline]
    pub fn set_note<T: AsBytes + FromBytes>(&mut self, note: T) {
        const { assert!(size_of::<T>() <= NOTE_SIZE) };
        // SAFETY: By the type invariants the array is valid, and `T` is not larger.
        // INVARIANT: `T` has no uninitialised bytes.
        unsafe { ptr::write_unaligned((&raw mut (*self.control()).data).cast(), note) }
    }

    /// Marks the packet with ECN CE; true when it bears that mark now, false when its
    /// sender did not negotiate ECN, or it is not IP.
    #[inline]
    pub fn set_ce(&mut self) -> bool {
        // SAFETY: By the type invariants the packet is valid and ours.
        unsafe { bindings::INET_ECN_set_ce(self.skb.as_ptr()) != 0 }
    }

    /// The DS field of the IP header, with the ECN bits; [`None`] when the packet is not
    /// IP.
    ///
    /// The packet is mutable since its header may have to be made linear.
    #[inline]
    pub fn dsfield(&mut self) -> Option<u8> {
        // SAFETY: By the type invariants the packet is valid and ours.
        u8::try_from(unsafe { bindings::skb_get_dsfield(self.skb.as_ptr()) }).ok()
    }
}

/// Where C has the fields that `struct sk_buff` groups as `headers`.
type Headers = kernel::bindings::sk_buff__bindgen_ty_4__bindgen_ty_2;

/// Returns where the link to the next packet is in one.
///
/// # Safety
///
/// `skb` points at a valid packet.
#[inline]
pub(super) unsafe fn next(skb: *mut sk_buff) -> *mut *mut sk_buff {
    // SAFETY: By the function's requirements; only a place is computed.
    unsafe { &raw mut (*skb).__bindgen_anon_1.__bindgen_anon_1.next }
}

/// Puts a packet at the head of a list, as C's `__skb_queue_head()`: a call of that takes as
/// long again as what it does, for each packet that a parent peeks at.
///
/// # Safety
///
/// `list` is valid and the caller's to change; `skb` points at a valid packet on no list.
#[inline]
pub(super) unsafe fn queue_head(list: *mut sk_buff_head, skb: *mut sk_buff) {
    // What is in a packet first, and in the list.
    type Links = kernel::bindings::sk_buff_head__bindgen_ty_1__bindgen_ty_1;
    // SAFETY: By the function's requirements. The list is a ring with `list` in it, of which
    // each member begins with its links. Others look at them without the lock, and so see
    // each written at once.
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

/// The bytes that a qdisc has for itself in each packet.
const NOTE_SIZE: usize = bindings::QDISC_CB_PRIV_LEN as usize;

impl Drop for SkBuff<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants the packet is ours; it is not used again.
        unsafe { free(self.skb.as_ptr(), DropReason::Generic) };
    }
}

/// Frees a packet: C's `kfree_skb_reason()`.
///
/// # Safety
///
/// `skb` points at a valid packet, which nobody uses any more.
#[inline]
pub(super) unsafe fn free(skb: *mut sk_buff, reason: DropReason) {
    // SAFETY: By the function's requirements.
    unsafe { kernel::bindings::sk_skb_reason_drop(ptr::null(), skb, reason as u32) };
}

/// Returns where in a packet is what C's traffic control notes there.
///
/// # Safety
///
/// `skb` points at a valid packet that is in a qdisc.
#[inline]
pub(super) unsafe fn tc_skb_cb(skb: *mut sk_buff) -> *mut bindings::tc_skb_cb {
    // SAFETY: By the function's requirements; only a place is computed.
    unsafe { (&raw mut (*skb).cb).cast() }
}
