// SPDX-License-Identifier: GPL-2.0

//! A slow link, loaded, and the delay of packets that have to get past the load.
//!
//! ```text
//!   client ---- c0|r0 router r1|s0 ---- server
//!                            |     |
//!        tbf, the rate, with the   netem, the whole of the round trip
//!        queue under test
//! ```
//!
//! The three are network name spaces without names: they go with the [`Link`], or with the
//! process, however that ends. TCP flows fill the queue; a thin flow of UDP packets, which the
//! server sends back, measures what that means for others.
//!
//! The delay is on the way back alone: a TCP that is held up by a `netem` of its own host
//! believes its packets to be in the device still, and sends less.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod delays;
mod link;
mod load;
mod space;

pub use delays::Delays;
pub use link::{Link, Plan};
pub use load::Measured;
pub use space::Space;
