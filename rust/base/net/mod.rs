// SPDX-License-Identifier: GPL-2.0

//! Networking: queueing disciplines, and the packets and netlink messages they handle.

pub mod codel;
pub mod fq_codel;
pub mod netlink;
pub mod qdisc;
mod skbuff;

pub use skbuff::{DropReason, SkBuff, SkbList};
