// SPDX-License-Identifier: GPL-2.0

//! Implements the statistics and attributes that an FQ-CoDel qdisc shares with user space, and the
//! traits through which the scheduler of [`tackle_core::fq_codel`] handles packets of the kernel.
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
    /// Whether `members` are those of a qdisc or of a class.
    kind: u32,
    /// The members of the structure for a qdisc, or those of the structure for a class. The latter
    /// is shorter: zeros follow it.
    members: [u32; 9],
}

// SAFETY: All members are 32-bit integers, so there is no padding and no interior mutability.
unsafe impl AsBytes for Xstats {}
const _: () = assert!(size_of::<Xstats>() == size_of::<bindings::tc_fq_codel_xstats>());

impl Xstats {
    /// Makes the statistics of a qdisc. `members` has the order of `struct tc_fq_codel_qd_stats`.
    pub fn of_qdisc(members: [u32; 9]) -> Self {
        Self {
            kind: bindings::TCA_FQ_CODEL_XSTATS_QDISC,
            members,
        }
    }

    /// Makes the statistics of a flow. `of_flow` has the order of `struct tc_fq_codel_cl_stats`.
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
/// Attribute: the bytes that a flow may send in a turn, a `u32`.
pub const QUANTUM: u16 = bindings::TCA_FQ_CODEL_QUANTUM as u16;
/// Attribute: the sojourn time in microseconds above which packets are marked, a `u32`.
pub const CE_THRESHOLD: u16 = bindings::TCA_FQ_CODEL_CE_THRESHOLD as u16;
/// Attribute: the most packets that are dropped at once, a `u32`.
pub const DROP_BATCH_SIZE: u16 = bindings::TCA_FQ_CODEL_DROP_BATCH_SIZE as u16;
/// Attribute: the most bytes of memory that packets may take, a `u32`.
pub const MEMORY_LIMIT: u16 = bindings::TCA_FQ_CODEL_MEMORY_LIMIT as u16;
/// Attribute: the DS field of packets to which the CE threshold applies, a `u8`.
pub const CE_THRESHOLD_SELECTOR: u16 = bindings::TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR as u16;
/// Attribute: the bits of the DS field that are compared with the selector, a `u8`.
pub const CE_THRESHOLD_MASK: u16 = bindings::TCA_FQ_CODEL_CE_THRESHOLD_MASK as u16;
/// The number of attributes, including unused ones and that of the histogram.
pub const ATTRIBUTES: usize = HISTOGRAM as usize + 1;
const _: () = assert!(bindings::__TCA_FQ_CODEL_MAX <= HISTOGRAM as u32);
