// SPDX-License-Identifier: GPL-2.0

//! Implements the networking API: queueing disciplines (qdiscs), and the packets and netlink
//! messages that they handle.

pub mod codel;
pub mod fq_codel;
pub mod netlink;
pub mod qdisc;
mod skbuff;

pub use skbuff::{DropReason, SkBuff, SkbList};
