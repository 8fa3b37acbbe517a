// SPDX-License-Identifier: GPL-2.0

//! Hooks that do nothing, for measuring what a hook itself costs.
//!
//! ```sh
//! insmod bench_tracee.ko
//! insmod hook_bench.ko hooks=2
//! cat /sys/kernel/debug/bench_tracee/ns
//! ```
//!
//! The peer in C is `ops_func_nop` of the kernel's `samples/ftrace/ftrace-ops.c`.

#![forbid(unsafe_code)]

use kernel::prelude::*;
use tackle::ftrace::{self, Call, Handler, Registration};

module! {
    type: HookBench,
    name: "hook_bench",
    authors: ["The Tackle developers"],
    description: "Hooks that do nothing, on the function of bench_tracee",
    license: "GPL",
    params: {
        hooks: u32 {
            default: 1,
            description: "How many hooks to put on the function",
        },
    },
}

const TRACEE: &CStr = c"bench_tracee:tracee";

struct Nop;

impl Handler for Nop {
    #[inline]
    fn entry(&self, _call: &Call) {}
}

/// The hooks; when they are dropped, they are gone.
struct HookBench {
    _hooks: KVec<Pin<KBox<Registration<Nop>>>>,
}

impl kernel::Module for HookBench {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut hooks = KVec::new();
        for _ in 0..module_parameters::hooks.value() {
            let hook = KBox::pin_init(Registration::new(TRACEE, Nop), GFP_KERNEL)
                .inspect_err(|&e| pr_err!("{TRACEE}: {}\n", ftrace::reason(e)))?;
            hooks.push(hook, GFP_KERNEL)?;
        }
        Ok(Self { _hooks: hooks })
    }
}
