// SPDX-License-Identifier: GPL-2.0

//! Counts the calls of a kernel function that is named at load time.
//!
//! ```sh
//! insmod hook_count.ko function=vfs_read
//! cat /sys/kernel/debug/tackle/hook_count/calls
//! ```

#![forbid(unsafe_code)]

use kernel::prelude::*;
use tackle::{
    debugfs::{self, Scope},
    ftrace::{self, Call, Handler, Registration},
    percpu,
};

tackle::module! {
    type: HookCount,
    name: "hook_count",
    authors: ["The Tackle developers"],
    description: "Counts the calls of a kernel function",
    license: "GPL",
}

tackle::string_param! {
    /// The function to count.
    static FUNCTION: StringParam<512> = "function", "Kernel function to count the calls of";
}

struct Counter(percpu::Counter);

impl Handler for Counter {
    fn entry(&self, _call: &Call) {
        self.0.increment();
    }
}

/// The files, and the hook that they show. When they are dropped, both are gone.
struct HookCount {
    _files: Pin<KBox<Scope<Registration<Counter>>>>,
}

impl kernel::Module for HookCount {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let function = FUNCTION.value();
        if function.is_empty() {
            pr_err!("function= is missing: name the kernel function to count\n");
            return Err(EINVAL);
        }

        let hook = Registration::new(function, Counter(percpu::Counter::new()?));
        let root = debugfs::root()?;
        let files = root.scope(hook, c"hook_count", |hook, dir| {
            dir.read_callback_file(c"function", hook, &|_, f| {
                f.write_fmt(fmt!("{}\n", FUNCTION.value()))
            });
            dir.read_callback_file(c"calls", hook, &|hook, f| {
                writeln!(f, "{}", hook.handler().0.sum())
            });
        });
        let files = KBox::pin_init(files, GFP_KERNEL)
            .inspect_err(|&e| pr_err!("function={function}: {}\n", ftrace::reason(e)))?;
        Ok(Self { _files: files })
    }
}
