// SPDX-License-Identifier: GPL-2.0

//! Implements hooks that users request: the line that describes a hook, and the data that hooks
//! collect.

pub mod calling;
mod histogram;
mod misses;
mod request;
mod returns;
pub mod room;
mod values;

pub use histogram::{Bucket, Histogram, BUCKETS};
pub use misses::Misses;
pub use request::{
    CpuList, FilterSpec, HookName, Kind, Request, RequestError, LINE_LEN, MAX_CPU_RANGES, NAME_LEN,
};
pub use returns::{Returns, Shown, MAX_ERRNO};
pub use values::{Values, MAX_VALUES};
