// SPDX-License-Identifier: GPL-2.0

//! Counts the calls of a kernel function that have failed, and sums up what the others have
//! returned.

#![forbid(unsafe_code)]

use tackle::prelude::hook::*;

struct Returned {
    failed: Counter,
    sum: Counter,
}

tackle::hook_module! {
    name: "first_hook",
    description: "Sums up what a kernel function returns",
    state: Returned = Returned { failed: Counter::new()?, sum: Counter::new()? },
    data: (),
    entry: |_, _call| Some(()),
    exit: |returned, ret, ()| match u64::try_from(ret.value() as i64) {
        Ok(value) => returned.sum.add(value),
        Err(_) => returned.failed.increment(),
    },
    files: {
        failed: |returned, f| writeln!(f, "{}", returned.failed.sum()),
        sum: |returned, f| writeln!(f, "{}", returned.sum.sum()),
    },
}
