// SPDX-License-Identifier: GPL-2.0

//! Makes a histogram of how long the calls of a kernel function take that is named at load
//! time.
//!
//! ```sh
//! insmod hook_latency.ko function=vfs_read
//! cat /sys/kernel/debug/tackle/hook_latency/histogram
//! ```
//!
//! A line is `LOW HIGH COUNT`, in nanoseconds, `HIGH` exclusive.

#![forbid(unsafe_code)]

use kernel::prelude::*;
use tackle::{
    debugfs::{self, Scope},
    fprobe::{Handler, Registration, Return},
    ftrace::{self, Call},
    time,
};
use tackle_core::hooks::Histogram;

tackle::module! {
    type: HookLatency,
    name: "hook_latency",
    authors: ["The Tackle developers"],
    description: "Makes a histogram of how long a kernel function's calls take",
    license: "GPL",
}

tackle::string_param! {
    /// The function to measure.
    static FUNCTION: StringParam<512> = "function", "Kernel function to measure the calls of";
}

struct Latency(Histogram);

impl Handler for Latency {
    /// When the call began.
    type Data = u64;

    fn entry(&self, _call: &Call) -> Option<u64> {
        Some(time::mono_fast_ns())
    }

    fn exit(&self, _ret: &Return, start: u64) {
        self.0.add(time::mono_fast_ns().saturating_sub(start));
    }
}

/// The file, and the hook that it shows. When they are dropped, both are gone.
struct HookLatency {
    _files: Pin<KBox<Scope<Registration<Latency>>>>,
}

impl kernel::Module for HookLatency {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let function = FUNCTION.value();
        if function.is_empty() {
            pr_err!("function= is missing: name the kernel function to measure\n");
            return Err(EINVAL);
        }

        let hook = Registration::new(function, Latency(Histogram::new()));
        let root = debugfs::root()?;
        let files = root.scope(hook, c"hook_latency", |hook, dir| {
            dir.read_callback_file(c"histogram", hook, &|hook, f| {
                for bucket in hook.handler().0.buckets() {
                    writeln!(f, "{bucket}")?;
                }
                Ok(())
            });
        });
        let files = KBox::pin_init(files, GFP_KERNEL)
            .inspect_err(|&e| pr_err!("function={function}: {}\n", ftrace::reason(e)))?;
        Ok(Self { _files: files })
    }
}
