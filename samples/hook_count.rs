// SPDX-License-Identifier: GPL-2.0
//! Counts the calls of a kernel function.
#![forbid(unsafe_code)]
use tackle::prelude::hook::*;
tackle::hook_module! {
    name: "hook_count",
    description: "Counts the calls of a kernel function",
    state: Counter = Counter::new()?,
    entry: |calls, _call| calls.increment(),
    files: { calls: |calls, f| writeln!(f, "{}", calls.sum()) },
}
