// SPDX-License-Identifier: GPL-2.0

//! The functions that C calls, for a kind of qdisc.

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

/// What is in the memory behind a `struct Qdisc`, which C gives out zeroed.
///
/// # Invariants
///
/// - If `ready`, `state` is initialised, and pinned. The lifetime in its type stands for the
///   qdisc; what the type is called with here has no meaning.
/// - The qdisc's ops are [`Tables::retired`] if `retired`, else [`Tables::ops`].
#[repr(C)]
struct Private<T: Qdisc> {
    state: MaybeUninit<T::State<'static>>,
    filters: Filters,
    parked: Parked,
    ready: bool,
    retired: bool,
}

/// The ops of a kind, and those of its qdiscs that send nothing any more (`Ops::retire`).
#[repr(C)]
pub(crate) struct Tables {
    /// What is registered.
    pub(super) ops: bindings::Qdisc_ops,
    retired: bindings::Qdisc_ops,
}

/// The functions for the kind `T`; what user space sees is in `show.rs`, the flows
/// are in `classes.rs`.
///
/// All take a qdisc that C has allocated for the ops that [`tables`](Self::tables) made.
/// Those that use the state are called by C between an [`init`](Self::init) that succeeded
/// and [`destroy`](Self::destroy), but for `reset` and `destroy`, which come after a failed
/// `init` as well.
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
        // SAFETY: By the function's requirements; only a place is computed.
        unsafe { &raw mut (*sch).privdata }.cast()
    }

    /// # Safety
    ///
    /// `sch` points at a valid qdisc of the kind.
    #[inline]
    pub(super) unsafe fn filters<'a>(sch: *mut bindings::Qdisc) -> &'a Filters {
        // SAFETY: By the function's requirements; C has zeroed the memory, which is no
        // filters. They are changed through shared references alone.
        unsafe { &(*Self::private(sch)).filters }
    }

    /// # Safety
    ///
    /// `sch` points at a valid qdisc of the kind, and the caller has it for itself for the
    /// lifetime: it holds the root lock, or nobody else is left.
    #[inline]
    pub(super) unsafe fn parked<'a>(sch: *mut bindings::Qdisc) -> &'a mut Parked {
        // SAFETY: By the function's requirements. The field holds what C has zeroed, which is a
        // valid value, or what was written through this. No other reference points at it: those
        // of `state` and `filters` point at other fields.
        unsafe { &mut (*Self::private(sch)).parked }
    }

    /// # Safety
    ///
    /// `sch` points at a valid qdisc of the kind that was initialised, and the caller has
    /// it for itself for the lifetime `'a`: it holds the root lock, or nobody else is left.
    /// `'q` is given to this qdisc alone in the call.
    #[inline]
    pub(super) unsafe fn state<'a, 'q>(sch: *mut bindings::Qdisc) -> Pin<&'a mut T::State<'q>> {
        // SAFETY: By the function's requirements, and by the invariants of `Private`: the
        // state is in its place until it is dropped.
        unsafe { Pin::new_unchecked(&mut *Self::private(sch).cast()) }
    }

    /// # Safety
    ///
    /// Called by C with the root lock held, with a packet to take over.
    unsafe extern "C" fn enqueue(
        skb: *mut sk_buff,
        sch: *mut bindings::Qdisc,
        to_free: *mut *mut sk_buff,
    ) -> c_int {
        // SAFETY: The packet is for this qdisc.
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
        // SAFETY: The lock is held: the list does not change. An empty one points at
        // itself.
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
            // SAFETY: The packet was put on the list of this qdisc just now, and stays there: it
            // is looked at, and not dropped.
            let packet = ManuallyDrop::new(unsafe { SkBuff::from_raw(skb) });
            // SAFETY: The lock is held during the call.
            unsafe { Self::parked(sch).note(&packet) };
        }
        skb
    }

    /// Lets the qdisc dequeue. The one place, so that its code is compiled into this.
    ///
    /// # Safety
    ///
    /// As for `dequeue` and `peek`.
    #[inline(never)]
    unsafe fn take(sch: *mut bindings::Qdisc, peek: bool) -> *mut sk_buff {
        // SAFETY: The lock is held during the call.
        let (state, mut call) = unsafe { (Self::state(sch), Dequeue::new(Sch::from_raw(sch))) };
        let packet = T::dequeue(state, &mut call);
        call.finish(packet, peek)
    }

    /// # Safety
    ///
    /// Called by C under RTNL, once, with a new qdisc. `opt` is null or valid, and so is
    /// `extack`.
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

            // SAFETY: Nobody else knows the qdisc.
            let mut setup = unsafe { Setup::new(sch) };
            // SAFETY: The memory is large enough and aligned (`tables`), and ours.
            let private = unsafe { Self::private(sch) };
            let result = fault::QDISC_INIT_DATA.check().and_then(|()| {
                let state = T::init(config, &mut setup);
                // SAFETY: As above. The state stays in its place, and is not touched on
                // errors.
                unsafe { pin_init::raw_try_init(private.cast::<T::State<'_>>(), state) }
            });
            if result.is_err() {
                ack.set_weak(c"Cannot set up the qdisc's state");
            }
            result?;
            // INVARIANT: The state was initialised.
            // SAFETY: As above.
            unsafe { (*private).ready = true };
            if T::HAS_FLOW_COUNT {
                // SAFETY: Called once, under RTNL; `destroy` puts them, after errors too.
                unsafe { Self::filters(sch).get(sch, extack) }
                    .inspect_err(|_| ack.set_weak(c"Cannot set up the qdisc's filters"))?;
            }
            Ok(0)
        })
    }

    /// Reads the options that a qdisc is made with.
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
    /// Called by C under RTNL, with options.
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
            // SAFETY: RTNL is held; the qdisc is in a tree, or nobody else is left.
            let lock = unsafe { TreeLock::new(sch) };
            // SAFETY: The root lock is held, so that the call has both fields for itself. `'q` is
            // given to this qdisc alone here.
            let (state, parked) = unsafe { (Self::state(sch), Self::parked(sch)) };
            T::check(state.as_ref().get_ref(), &config, &mut ack)?;
            parked.settle(lock.sch());
            // SAFETY: `'q` stands for this qdisc, and C holds RTNL during the call.
            let mut call = unsafe { Change::new(lock.sch(), parked) };
            T::change(state, &mut call, config);
            call.finish();
            Ok(0)
        })
    }

    /// Lets no packet leave any more: a reset has not purged some. The device may have fewer queues
    /// now than the packets say (`queue_mapping`). They are freed with the state.
    ///
    /// # Safety
    ///
    /// As for `reset`, after `init`.
    #[cold]
    unsafe fn retire(sch: *mut bindings::Qdisc) {
        // SAFETY: By the function's requirements.
        let private = unsafe { &mut *Self::private(sch) };
        if private.retired {
            return;
        }
        // INVARIANT: Below.
        private.retired = true;
        // Some parents call the function in the ops, others that in the qdisc; the kernel passes
        // both by, if it may, when nothing waits.
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

    /// Drops the packet. A parent that is told of one that waits would wait for it, too.
    ///
    /// # Safety
    ///
    /// As for `enqueue`.
    unsafe extern "C" fn enqueue_nothing(
        skb: *mut sk_buff,
        sch: *mut bindings::Qdisc,
        to_free: *mut *mut sk_buff,
    ) -> c_int {
        // SAFETY: The packet is for this qdisc.
        let packet = unsafe { SkBuff::from_raw(NonNull::new_unchecked(skb)) };
        // SAFETY: The lock is held during the call.
        let mut call = unsafe { Enqueue::new(sch, Self::filters(sch), to_free, &packet) };
        let outcome = call.reject(packet, DropReason::Generic);
        call.finish(outcome)
    }

    /// # Safety
    ///
    /// None.
    unsafe extern "C" fn dequeue_nothing(_sch: *mut bindings::Qdisc) -> *mut sk_buff {
        ptr::null_mut()
    }

    /// # Safety
    ///
    /// Called by C under RTNL, with the root lock held or when nobody else is left; after
    /// a failed `init` too.
    unsafe extern "C" fn reset(sch: *mut bindings::Qdisc) {
        // SAFETY: The memory is ours, and was zeroed by C.
        if unsafe { (*Self::private(sch)).ready } {
            // SAFETY: The state is initialised by the invariants of `Private`, and we have
            // it for ourselves.
            let (state, parked) = unsafe { (Self::state(sch), Self::parked(sch)) };
            // SAFETY: The qdisc is valid, and we have it for ourselves.
            let counts = unsafe { Sch::from_raw(sch) };
            parked.settle(counts);
            let waiting = parked.waiting(counts);
            let elsewhere = u32::from(parked.waits()) + counts.own_queue_len();
            *parked = Parked::default();
            counts.count_drops(waiting);
            // SAFETY: C holds RTNL, and sets the counts to zero after the call. `'q` stands for
            // this qdisc.
            let mut call = unsafe { Reset::new(waiting) };
            T::reset(state, &mut call);
            if waiting > elsewhere + call.purged() {
                // SAFETY: As above.
                unsafe { Self::retire(sch) };
            }
        }
        // SAFETY: RTNL is held; the packets are ours. C sets the counts to zero after this.
        unsafe { bindings::qdisc_reset_queue(sch) };
    }

    /// # Safety
    ///
    /// Called by C under RTNL when nobody else is left, once, after `reset` if the qdisc
    /// was ever in use; after a failed `init` too.
    unsafe extern "C" fn destroy(sch: *mut bindings::Qdisc) {
        // SAFETY: Nobody else is left. Without the filters nobody comes to be.
        unsafe { Self::filters(sch).put() };
        // SAFETY: The memory is ours, and was zeroed by C.
        let private = unsafe { &mut *Self::private(sch) };
        if core::mem::take(&mut private.ready) {
            // SAFETY: By the type invariants the state is initialised; it is not used again.
            unsafe { private.state.assume_init_drop() };
        }
    }
}

/// The size of a kind's name in `struct Qdisc_ops`, with the NUL.
const ID_SIZE: usize = {
    let ops: bindings::Qdisc_ops = pin_init::zeroed();
    ops.id.len()
};
