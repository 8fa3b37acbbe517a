// SPDX-License-Identifier: GPL-2.0

//! Implements `struct Qdisc_ops`, the functions that C calls, for a kind of qdisc.

use super::{
    filters::Filters, lock::TreeLock, parked::Parked, Change, Dequeue, Enqueue, Qdisc, Reset, Sch,
    Setup,
};
use crate::{
    bindings, fault,
    net::{
        netlink::{ExtAck, Nested},
        DropReason, SkBuff,
    },
};
use core::{
    marker::PhantomData,
    mem::{ManuallyDrop, MaybeUninit},
    ptr::{self, NonNull},
};
use kernel::{
    bindings::{netlink_ext_ack, nlattr, sk_buff},
    error::from_result,
    ffi::{c_char, c_int, c_long},
    module::this_module,
    prelude::*,
};

/// The private data of a qdisc, in the memory after its `struct Qdisc`. C zeroes this memory.
///
/// # Invariants
///
/// - If `ready`, `state` is initialised, and pinned. The lifetime in the type of the state
///   identifies the qdisc; the lifetime that is written here has no meaning.
/// - The qdisc's ops are [`Tables::retired`] if `retired`, else [`Tables::ops`].
#[repr(C)]
struct Private<T: Qdisc> {
    state: MaybeUninit<T::State<'static>>,
    filters: Filters,
    parked: Parked,
    ready: bool,
    retired: bool,
}

/// The ops of a kind, and the ops for qdiscs of the kind that send nothing any more
/// (`Ops::retire`).
#[repr(C)]
pub(crate) struct Tables {
    /// The ops that are registered.
    pub(super) ops: bindings::Qdisc_ops,
    retired: bindings::Qdisc_ops,
}

/// The functions for the kind `T`. Those that show a qdisc to user space are in `show.rs`, and
/// those for flows are in `classes.rs`.
///
/// All functions take a qdisc that C has allocated for the ops that [`tables`](Self::tables) made.
/// C calls the functions that use the state only after an [`init`](Self::init) that succeeded, and
/// before [`destroy`](Self::destroy). It calls `reset` and `destroy` also after an `init` that
/// failed.
pub(crate) struct Ops<T>(PhantomData<T>);

impl<T: Qdisc> Ops<T> {
    /// Makes the ops of the kind.
    pub(crate) fn tables() -> Tables {
        Tables {
            ops: Self::table(),
            retired: bindings::Qdisc_ops {
                enqueue: Some(Self::enqueue_nothing),
                dequeue: Some(Self::dequeue_nothing),
                peek: Some(Self::dequeue_nothing),
                ..Self::table()
            },
        }
    }

    fn table() -> bindings::Qdisc_ops {
        const {
            assert!(
                align_of::<Private<T>>() <= align_of::<c_long>(),
                "a qdisc's state is aligned like a long"
            )
        };
        bindings::Qdisc_ops {
            cl_ops: if T::HAS_FLOW_COUNT {
                &raw const *Self::CLASS_OPS
            } else {
                ptr::null()
            },
            id: const { Self::id() },
            priv_size: const { Self::priv_size() },
            static_flags: bindings::TCQ_F_DEQUEUE_DROPS,
            enqueue: Some(Self::enqueue),
            dequeue: Some(Self::dequeue),
            peek: Some(Self::peek),
            init: Some(Self::init),
            reset: Some(Self::reset),
            destroy: Some(Self::destroy),
            change: if T::HAS_CHANGE {
                Some(Self::change)
            } else {
                None
            },
            dump: Some(Self::dump),
            dump_stats: if size_of::<T::Stats>() != 0 {
                Some(Self::dump_stats)
            } else {
                None
            },
            owner: this_module::<T::OwnerModule>().as_ptr(),
            ..pin_init::zeroed()
        }
    }

    const fn id() -> [c_char; ID_SIZE] {
        let name = T::ID.to_bytes_with_nul();
        assert!(name.len() <= ID_SIZE, "a qdisc's name has 15 bytes at most");
        let mut id = [0; ID_SIZE];
        let mut i = 0;
        while i < name.len() {
            id[i] = name[i] as c_char;
            i += 1;
        }
        id
    }

    const fn priv_size() -> c_int {
        let size = size_of::<Private<T>>();
        assert!(size <= 1 << 20, "a qdisc's state is no larger than 1 MiB");
        size as c_int
    }

    /// # Safety
    ///
    /// `sch` points at a valid qdisc of the kind.
    #[inline]
    unsafe fn private(sch: *mut bindings::Qdisc) -> *mut Private<T> {
        // SAFETY: By the function's requirements. Only an address is computed.
        unsafe { &raw mut (*sch).privdata }.cast()
    }

    /// # Safety
    ///
    /// `sch` points at a valid qdisc of the kind.
    #[inline]
    pub(super) unsafe fn filters<'a>(sch: *mut bindings::Qdisc) -> &'a Filters {
        // SAFETY: By the function's requirements. C has zeroed the memory, which is a valid value:
        // no filters. The filters are only changed through shared references.
        unsafe { &(*Self::private(sch)).filters }
    }

    /// # Safety
    ///
    /// `sch` points at a valid qdisc of the kind. The caller has exclusive access to it for the
    /// lifetime: it holds the root lock, or no other code uses the qdisc.
    #[inline]
    pub(super) unsafe fn parked<'a>(sch: *mut bindings::Qdisc) -> &'a mut Parked {
        // SAFETY: By the function's requirements. The value of the field is all zeros, which is
        // valid, or was written through a reference from this function. No other reference points
        // at the field: those of `state` and `filters` point at other fields.
        unsafe { &mut (*Self::private(sch)).parked }
    }

    /// # Safety
    ///
    /// `sch` points at a valid qdisc of the kind that was initialised. The caller has exclusive
    /// access to it for the lifetime `'a`: it holds the root lock, or no other code uses the qdisc.
    /// In the call, `'q` is used for this qdisc only.
    #[inline]
    pub(super) unsafe fn state<'a, 'q>(sch: *mut bindings::Qdisc) -> Pin<&'a mut T::State<'q>> {
        // SAFETY: By the function's requirements and the invariants of `Private`. The state does
        // not move until it is dropped.
        unsafe { Pin::new_unchecked(&mut *Self::private(sch).cast()) }
    }

    /// # Safety
    ///
    /// Called by C with the root lock held. C passes the ownership of the packet `skb`.
    unsafe extern "C" fn enqueue(
        skb: *mut sk_buff,
        sch: *mut bindings::Qdisc,
        to_free: *mut *mut sk_buff,
    ) -> c_int {
        // SAFETY: C passes the ownership of the packet, which is for this qdisc and on no list.
        let packet = unsafe { SkBuff::from_raw(NonNull::new_unchecked(skb)) };
        // SAFETY: The lock is held during the call.
        let (state, mut call) = unsafe {
            (
                Self::state(sch),
                Enqueue::new(sch, Self::filters(sch), to_free, &packet),
            )
        };
        let outcome = T::enqueue(state, &mut call, packet);
        call.finish(outcome)
    }

    /// # Safety
    ///
    /// Called by C with the root lock held.
    unsafe extern "C" fn dequeue(sch: *mut bindings::Qdisc) -> *mut sk_buff {
        if T::HAS_IS_IDLE {
            // SAFETY: The lock is held during the call.
            let (state, call) = unsafe { (Self::state(sch), Sch::from_raw(sch)) };
            if T::is_idle(state.as_ref().get_ref(), call) {
                return ptr::null_mut();
            }
        }
        // SAFETY: By the function's requirements.
        unsafe { Self::take(sch, false) }
    }

    /// # Safety
    ///
    /// Called by C with the root lock held.
    unsafe extern "C" fn peek(sch: *mut bindings::Qdisc) -> *mut sk_buff {
        // SAFETY: The lock is held, so the list does not change. The list is a ring: if it is
        // empty, it points at itself.
        unsafe {
            let list = &raw mut (*sch).gso_skb;
            let first = (*list).__bindgen_anon_1.__bindgen_anon_1.next;
            if !ptr::eq(first.cast(), list) {
                return first;
            }
        }
        // SAFETY: The lock is held during the call.
        unsafe { Self::parked(sch).settle(Sch::from_raw(sch)) };
        // SAFETY: By the function's requirements.
        let skb = unsafe { Self::take(sch, true) };
        if let Some(skb) = NonNull::new(skb) {
            // SAFETY: The packet was put into the list of this qdisc just now. It stays there: the
            // code below only reads the packet, and `ManuallyDrop` keeps it from being dropped.
            let packet = ManuallyDrop::new(unsafe { SkBuff::from_raw(skb) });
            // SAFETY: The lock is held during the call.
            unsafe { Self::parked(sch).note(&packet) };
        }
        skb
    }

    /// Calls the kind's `dequeue`. This is the only call, so that the compiler inlines `dequeue`
    /// here.
    ///
    /// # Safety
    ///
    /// Those of `dequeue` and `peek`.
    #[inline(never)]
    unsafe fn take(sch: *mut bindings::Qdisc, peek: bool) -> *mut sk_buff {
        // SAFETY: The lock is held during the call.
        let (state, mut call) = unsafe { (Self::state(sch), Dequeue::new(Sch::from_raw(sch))) };
        let packet = T::dequeue(state, &mut call);
        call.finish(packet, peek)
    }

    /// # Safety
    ///
    /// Called once by C for a new qdisc, with RTNL held. `opt` and `extack` are null or valid.
    unsafe extern "C" fn init(
        sch: *mut bindings::Qdisc,
        opt: *mut nlattr,
        extack: *mut netlink_ext_ack,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the function's requirements.
            let mut ack = unsafe { ExtAck::from_raw(extack) };
            // SAFETY: By the function's requirements.
            let config = unsafe { Self::config(opt, &mut ack) }?;

            // SAFETY: The qdisc is new, so no other thread has a pointer to it.
            let mut setup = unsafe { Setup::new(sch) };
            // SAFETY: The memory is large enough and aligned (`tables`), and no other code uses it.
            let private = unsafe { Self::private(sch) };
            let result = fault::QDISC_INIT_DATA.check().and_then(|()| {
                let state = T::init(config, &mut setup);
                // SAFETY: The memory is valid for the state, and no other code uses it. The state
                // does not move. On an error it is not used.
                unsafe { pin_init::raw_try_init(private.cast::<T::State<'_>>(), state) }
            });
            if result.is_err() {
                ack.set_weak(c"Cannot set up the qdisc's state");
            }
            result?;
            // INVARIANT: The state was initialised.
            // SAFETY: The memory is valid, and no other code uses it.
            unsafe { (*private).ready = true };
            if T::HAS_FLOW_COUNT {
                // SAFETY: This is called once, with RTNL held. C calls `destroy` also after errors,
                // which calls `put`.
                unsafe { Self::filters(sch).get(sch, extack) }
                    .inspect_err(|_| ack.set_weak(c"Cannot set up the qdisc's filters"))?;
            }
            Ok(0)
        })
    }

    /// Reads the options with which a qdisc is made.
    ///
    /// # Safety
    ///
    /// `opt` is null or valid.
    unsafe fn config(opt: *mut nlattr, ack: &mut ExtAck<'_>) -> Result<T::Config> {
        let config = fault::QDISC_INIT_OPTIONS.check().and_then(|()| {
            let Some(opt) = NonNull::new(opt) else {
                return Ok(T::Config::default());
            };
            // SAFETY: By the function's requirements.
            T::parse(unsafe { Nested::from_raw(opt) }, ack)
        });
        if config.is_err() {
            ack.set_weak(c"Cannot use the qdisc's options");
        }
        config
    }

    /// # Safety
    ///
    /// Called by C with RTNL held and with valid options.
    unsafe extern "C" fn change(
        sch: *mut bindings::Qdisc,
        opt: *mut nlattr,
        extack: *mut netlink_ext_ack,
    ) -> c_int {
        from_result(|| {
            // SAFETY: C passes a valid acknowledgement or null, and valid options.
            let (mut ack, options) = unsafe {
                (
                    ExtAck::from_raw(extack),
                    Nested::from_raw(NonNull::new(opt).ok_or(EINVAL)?),
                )
            };
            let config = fault::QDISC_CHANGE_OPTIONS
                .check()
                .and_then(|()| T::parse(options, &mut ack))
                .inspect_err(|_| ack.set_weak(c"Cannot use the qdisc's options"))?;
            // SAFETY: RTNL is held. The qdisc is in a tree, or no other code uses it.
            let lock = unsafe { TreeLock::new(sch) };
            // SAFETY: The root lock is held, so the call has exclusive access to both fields. Here
            // `'q` is used for this qdisc only.
            let (state, parked) = unsafe { (Self::state(sch), Self::parked(sch)) };
            T::check(state.as_ref().get_ref(), &config, &mut ack)?;
            parked.settle(lock.sch());
            // SAFETY: `'q` identifies this qdisc, and C holds RTNL during the call.
            let mut call = unsafe { Change::new(lock.sch(), parked) };
            T::change(state, &mut call, config);
            call.finish();
            Ok(0)
        })
    }

    /// Makes the qdisc send nothing any more, after a reset that has not purged all packets. The
    /// `queue_mapping` of the remaining packets may be too large: the device may have fewer queues
    /// now. These packets are freed with the state.
    ///
    /// # Safety
    ///
    /// Those of `reset`. `init` has succeeded.
    #[cold]
    unsafe fn retire(sch: *mut bindings::Qdisc) {
        // SAFETY: By the function's requirements.
        let private = unsafe { &mut *Self::private(sch) };
        if private.retired {
            return;
        }
        // INVARIANT: The ops are changed to `Tables::retired` below.
        private.retired = true;
        // Some parents call the function in the ops, others the function in the qdisc, so replace
        // both. With `TCQ_F_CAN_BYPASS` the kernel calls neither if no packet waits.
        // SAFETY: By the function's requirements. By the invariants of `Private` the ops are the
        // first part of the tables that `tables` made.
        unsafe {
            let tables: *const Tables = (*sch).ops.cast();
            (*sch).ops = &raw const (*tables).retired;
            (*sch).enqueue = Some(Self::enqueue_nothing);
            (*sch).dequeue = Some(Self::dequeue_nothing);
            (*sch).flags &= !bindings::TCQ_F_CAN_BYPASS;
        }
        pr_err!(
            "{}: a reset has kept packets: this qdisc sends nothing any more\n",
            T::ID
        );
    }

    /// Drops the packet. If it were queued, the parents would count it and wait for it for ever.
    ///
    /// # Safety
    ///
    /// Those of `enqueue`.
    unsafe extern "C" fn enqueue_nothing(
        skb: *mut sk_buff,
        sch: *mut bindings::Qdisc,
        to_free: *mut *mut sk_buff,
    ) -> c_int {
        // SAFETY: C passes the ownership of the packet, which is for this qdisc and on no list.
        let packet = unsafe { SkBuff::from_raw(NonNull::new_unchecked(skb)) };
        // SAFETY: The lock is held during the call.
        let mut call = unsafe { Enqueue::new(sch, Self::filters(sch), to_free, &packet) };
        let outcome = call.reject(packet, DropReason::Generic);
        call.finish(outcome)
    }

    /// # Safety
    ///
    /// None: the function does not use its argument.
    unsafe extern "C" fn dequeue_nothing(_sch: *mut bindings::Qdisc) -> *mut sk_buff {
        ptr::null_mut()
    }

    /// # Safety
    ///
    /// Called by C with RTNL held. The root lock is held, or no other code uses the qdisc. C calls
    /// this also after an `init` that failed.
    unsafe extern "C" fn reset(sch: *mut bindings::Qdisc) {
        // SAFETY: By the function's requirements no other code uses the memory. C has zeroed it.
        if unsafe { (*Self::private(sch)).ready } {
            // SAFETY: By the invariants of `Private` the state is initialised. By the function's
            // requirements no other code uses it.
            let (state, parked) = unsafe { (Self::state(sch), Self::parked(sch)) };
            // SAFETY: The qdisc is valid. By the function's requirements no other code uses it.
            let counts = unsafe { Sch::from_raw(sch) };
            parked.settle(counts);
            let waiting = parked.waiting(counts);
            let elsewhere = u32::from(parked.waits()) + counts.own_queue_len();
            *parked = Parked::default();
            counts.count_drops(waiting);
            // SAFETY: C holds RTNL, and sets the counts to zero after the call. `'q` identifies
            // this qdisc.
            let mut call = unsafe { Reset::new(waiting) };
            T::reset(state, &mut call);
            if waiting > elsewhere + call.purged() {
                // SAFETY: By the function's requirements. `init` has succeeded, since `ready` is
                // set.
                unsafe { Self::retire(sch) };
            }
        }
        // SAFETY: RTNL is held, and the qdisc owns the packets. C sets the counts to zero after
        // this.
        unsafe { bindings::qdisc_reset_queue(sch) };
    }

    /// # Safety
    ///
    /// Called once by C with RTNL held, when no other code uses the qdisc any more. C has called
    /// `reset` before if the qdisc was ever in use. C calls this also after an `init` that failed.
    unsafe extern "C" fn destroy(sch: *mut bindings::Qdisc) {
        // SAFETY: RTNL is held, and no other code uses the qdisc. When the filters are removed, no
        // code can start to use it.
        unsafe { Self::filters(sch).put() };
        // SAFETY: No other code uses the memory any more. C has zeroed it.
        let private = unsafe { &mut *Self::private(sch) };
        if core::mem::take(&mut private.ready) {
            // SAFETY: By the type invariants the state is initialised. It is not used again.
            unsafe { private.state.assume_init_drop() };
        }
    }
}

/// The size of a kind's name in `struct Qdisc_ops`, with the NUL.
const ID_SIZE: usize = {
    let ops: bindings::Qdisc_ops = pin_init::zeroed();
    ops.id.len()
};
