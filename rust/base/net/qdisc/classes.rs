// SPDX-License-Identifier: GPL-2.0

//! Implements the functions that C calls for the classes of a qdisc, which are the qdisc's flows.
//!
//! C identifies a class by a number that is not 0. Here this is the number of the flow plus one.
//! Classes appear and disappear with packets. So no class can be found by name, and no filter can
//! be bound to one.

use super::{lock::TreeLock, ops::Ops, show::copy_stats, Details, FlowStats, Qdisc};
use crate::bindings;
use core::ptr;
use kernel::{
    bindings::{netlink_ext_ack, sk_buff},
    error::from_result,
    ffi::{c_int, c_ulong},
    prelude::*,
};

impl<T: Qdisc> Ops<T> {
    /// The class operations of the kind.
    pub(super) const CLASS_OPS: &'static bindings::Qdisc_class_ops = &bindings::Qdisc_class_ops {
        leaf: Some(leaf),
        find: Some(find),
        walk: Some(Self::walk),
        tcf_block: Some(Self::tcf_block),
        bind_tcf: Some(bind_tcf),
        unbind_tcf: Some(unbind_tcf),
        dump: Some(dump),
        dump_stats: Some(Self::dump_class_stats),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// Called by C with RTNL held. No other code uses the walk `arg`.
    unsafe extern "C" fn walk(sch: *mut bindings::Qdisc, arg: *mut bindings::qdisc_walker) {
        // SAFETY: By the function's requirements.
        if unsafe { (*arg).stop } != 0 {
            return;
        }
        let mut flow = 0;
        loop {
            let (start, found);
            {
                // SAFETY: RTNL is held. The qdisc is in a tree, or no other code uses it.
                let _lock = unsafe { TreeLock::new(sch) };
                // SAFETY: The lock is held.
                let state = unsafe { Self::state(sch) };
                let state = state.as_ref().get_ref();
                start = flow;
                found = (flow..T::flow_count(state)).find(|flow| T::flow_in_use(state, *flow));
            }
            let Some(next) = found else {
                return;
            };
            // Without the lock: `tc_qdisc_stats_dump()` calls `dump_class_stats`, which takes it.
            // Flows that were skipped count, too.
            // CAST: The numbers of flows are small. The class of a flow is its number plus one.
            // SAFETY: By the function's requirements.
            let go_on = unsafe {
                (*arg).count = (*arg).count.wrapping_add((next - start) as c_int);
                bindings::tc_qdisc_stats_dump(sch, next as c_ulong + 1, arg)
            };
            if !go_on {
                return;
            }
            flow = next + 1;
        }
    }

    /// # Safety
    ///
    /// Called by C with a qdisc of the kind.
    unsafe extern "C" fn tcf_block(
        sch: *mut bindings::Qdisc,
        class: c_ulong,
        _extack: *mut netlink_ext_ack,
    ) -> *mut bindings::tcf_block {
        if class != 0 {
            return ptr::null_mut();
        }
        // SAFETY: By the function's requirements.
        unsafe { Self::filters(sch) }.block()
    }

    /// # Safety
    ///
    /// Called by C with RTNL held. `dump` is a valid dump, to which this function adds.
    unsafe extern "C" fn dump_class_stats(
        sch: *mut bindings::Qdisc,
        class: c_ulong,
        dump: *mut bindings::gnet_dump,
    ) -> c_int {
        // CAST: `walk` has made the number of the class from a `u32`.
        let flow = class.wrapping_sub(1) as u32;
        from_result(|| {
            let (qlen, backlog, mut details) = {
                // SAFETY: RTNL is held. The qdisc is in a tree, or no other code uses it.
                let _lock = unsafe { TreeLock::new(sch) };
                // SAFETY: The lock is held.
                let state = unsafe { Self::state(sch) };
                let state = state.as_ref().get_ref();
                let Some(FlowStats {
                    qlen,
                    backlog,
                    stats,
                }) = T::flow_stats(state, flow)
                else {
                    return Ok(0);
                };
                let mut details = Details::new(&stats)?;
                T::flow_details(state, flow, &mut details)?;
                (qlen, backlog, details)
            };
            let queue = bindings::gnet_stats_queue {
                backlog,
                ..pin_init::zeroed()
            };
            // SAFETY: The dump is valid. C copies the counts. Null means that there are no per-CPU
            // counts.
            unsafe {
                if bindings::gnet_stats_copy_queue(dump, ptr::null_mut(), &queue, qlen) < 0 {
                    return Err(EMSGSIZE);
                }
                Ok(copy_stats(dump, &mut details))
            }
        })
    }
}

/// # Safety
///
/// None: the function uses no argument. No class has a child qdisc.
unsafe extern "C" fn leaf(_sch: *mut bindings::Qdisc, _class: c_ulong) -> *mut bindings::Qdisc {
    ptr::null_mut()
}

/// # Safety
///
/// None: the function uses no argument. No class can be found by name.
unsafe extern "C" fn find(_sch: *mut bindings::Qdisc, _classid: u32) -> c_ulong {
    0
}

/// # Safety
///
/// None: the function uses no argument. No filter is bound to a class: a filter returns the number
/// of a class.
unsafe extern "C" fn bind_tcf(
    _sch: *mut bindings::Qdisc,
    _parent: c_ulong,
    _classid: u32,
) -> c_ulong {
    0
}

/// # Safety
///
/// None: as for `bind_tcf`.
unsafe extern "C" fn unbind_tcf(_sch: *mut bindings::Qdisc, _class: c_ulong) {}

/// # Safety
///
/// Called by C. `header` is the valid header of a message, which this function fills in.
unsafe extern "C" fn dump(
    _sch: *mut bindings::Qdisc,
    class: c_ulong,
    _skb: *mut sk_buff,
    header: *mut bindings::tcmsg,
) -> c_int {
    // CAST: The lower 16 bits are the minor number of the class, which identifies it in the qdisc.
    // SAFETY: By the function's requirements.
    unsafe { (*header).tcm_handle |= class as u32 & 0xffff };
    0
}
