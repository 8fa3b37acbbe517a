// SPDX-License-Identifier: GPL-2.0

//! Makes a histogram of how long the calls of a kernel function take.
//!
//! ```sh
//! insmod hook_latency.ko function=vfs_read
//! cat /sys/kernel/debug/tackle/hook_latency/histogram
//! ```
//!
//! A line is `LOW HIGH COUNT`. The times are in nanoseconds, and `HIGH` is exclusive.

#![forbid(unsafe_code)]

use tackle::prelude::hook::*;

tackle::hook_module! {
    name: "hook_latency",
    description: "Makes a histogram of how long a kernel function's calls take",
    state: Histogram = Histogram::new(),
    data: u64,
    entry: |_, _call| Some(time::mono_fast_ns()),
    exit: |histogram, _ret, start| histogram.add(time::mono_fast_ns().saturating_sub(start)),
    files: {
        histogram: |histogram, f| {
            for bucket in histogram.buckets() {
                writeln!(f, "{bucket}")?;
            }
            Ok(())
        },
    },
}
