// SPDX-License-Identifier: GPL-2.0

//! Creates a slow link, loads it, and measures the delay of packets under that load.
//!
//! ```text
//!   client ---- c0|r0 router r1|s0 ---- server
//!                            |     |
//!        tbf, the rate, with the   netem, the whole of the round trip
//!        queue under test
//! ```
//!
//! Client, router and server are network namespaces without names. The kernel removes them with
//! the [`Link`], or when the process ends for any reason. TCP flows fill the queue. A thin flow of
//! UDP packets, which the server sends back, measures the delay that the queue adds.
//!
//! Only the way back has a delay, since TCP regards packets in a `netem` of the same host as still
//! in the device, and would send less.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod delays;
mod link;
mod load;
mod program;
mod space;

pub use delays::Delays;
pub use link::{Link, Plan};
pub use load::Measured;
pub use program::program;
pub use space::Space;
