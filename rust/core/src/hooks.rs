// SPDX-License-Identifier: GPL-2.0

//! Hooks that a person asks for: the line that describes one, and what hooks collect.

mod histogram;
mod request;
mod returns;
mod values;

pub use histogram::{Bucket, Histogram, BUCKETS};
pub use request::{
    CpuList, Filter, HookName, Kind, Request, RequestError, LINE_LEN, MAX_CPU_RANGES, NAME_LEN,
};
pub use returns::{Returns, Shown, MAX_ERRNO};
pub use values::{Values, MAX_VALUES};
