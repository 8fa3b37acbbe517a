// SPDX-License-Identifier: GPL-2.0

//! What a qdisc of FQ-CoDel shares with user space, and the traits by which the scheduler of
//! [`tackle_core::fq_codel`] works with packets of the kernel.
//!
//! C header: [`include/uapi/linux/pkt_sched.h`](srctree/include/uapi/linux/pkt_sched.h)

mod packets;

use super::codel::HISTOGRAM;
use crate::bindings;
use kernel::{prelude::*, transmute::AsBytes};

/// The statistics of `fq_codel`, as `tc -s` decodes them: `struct tc_fq_codel_xstats`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Xstats {
    /// Whether the rest is of a qdisc or of a class.
    kind: u32,
    /// The members of the one or the other, with nothing behind the latter.
    members: [u32; 9],
}

// SAFETY: All members are 32-bit integers: there is no padding and no cell.
unsafe impl AsBytes for Xstats {}
const _: () = assert!(size_of::<Xstats>() == size_of::<bindings::tc_fq_codel_xstats>());

impl Xstats {
    /// Those of a qdisc. The members are in the order of `struct tc_fq_codel_qd_stats`.
    pub fn of_qdisc(members: [u32; 9]) -> Self {
        Self {
            kind: bindings::TCA_FQ_CODEL_XSTATS_QDISC,
            members,
        }
    }

    /// Those of a flow. The members are in the order of `struct tc_fq_codel_cl_stats`.
    pub fn of_flow(of_flow: [u32; 6]) -> Self {
        let mut members = [0; 9];
        members[..6].copy_from_slice(&of_flow);
        Self {
            kind: bindings::TCA_FQ_CODEL_XSTATS_CLASS,
            members,
        }
    }
}

/// Attribute: the acceptable sojourn time in microseconds, a `u32`.
pub const TARGET: u16 = bindings::TCA_FQ_CODEL_TARGET as u16;
/// Attribute: the most packets that may wait, a `u32`.
pub const LIMIT: u16 = bindings::TCA_FQ_CODEL_LIMIT as u16;
/// Attribute: the interval in microseconds, a `u32`.
pub const INTERVAL: u16 = bindings::TCA_FQ_CODEL_INTERVAL as u16;
/// Attribute: whether packets are marked rather than dropped, a `u32`.
pub const ECN: u16 = bindings::TCA_FQ_CODEL_ECN as u16;
/// Attribute: the number of flows, a `u32`.
pub const FLOWS: u16 = bindings::TCA_FQ_CODEL_FLOWS as u16;
/// Attribute: the bytes of a turn, a `u32`.
pub const QUANTUM: u16 = bindings::TCA_FQ_CODEL_QUANTUM as u16;
/// Attribute: the sojourn time in microseconds from which on packets are marked, a `u32`.
pub const CE_THRESHOLD: u16 = bindings::TCA_FQ_CODEL_CE_THRESHOLD as u16;
/// Attribute: the most packets that are dropped at once, a `u32`.
pub const DROP_BATCH_SIZE: u16 = bindings::TCA_FQ_CODEL_DROP_BATCH_SIZE as u16;
/// Attribute: the most bytes of memory, a `u32`.
pub const MEMORY_LIMIT: u16 = bindings::TCA_FQ_CODEL_MEMORY_LIMIT as u16;
/// Attribute: the DS field that the threshold is for, a `u8`.
pub const CE_THRESHOLD_SELECTOR: u16 = bindings::TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR as u16;
/// Attribute: which bits of the DS field the selector is compared with, a `u8`.
pub const CE_THRESHOLD_MASK: u16 = bindings::TCA_FQ_CODEL_CE_THRESHOLD_MASK as u16;
/// How many attributes there are, the unused ones and the histogram's among them.
pub const ATTRIBUTES: usize = HISTOGRAM as usize + 1;
const _: () = assert!(bindings::__TCA_FQ_CODEL_MAX <= HISTOGRAM as u32);
