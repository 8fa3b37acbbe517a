// SPDX-License-Identifier: GPL-2.0

//! Adds a hook whose handler panics on request. This kills the task that called the function.
//!
//! ```sh
//! insmod hook_oops.ko function=__x64_sys_getsid
//! cat /sys/kernel/debug/tackle/hook_oops/calls
//! echo 1 > /sys/kernel/debug/tackle/hook_oops/panic    # the next call
//! ```

#![forbid(unsafe_code)]

use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
    uaccess::UserSliceReader,
};
use tackle::{
    debugfs::{self, Scope},
    ftrace::{Call, EntryHandler, EntryHook},
};

tackle::module! {
    type: HookOops,
    name: "hook_oops",
    authors: ["The Tackle developers"],
    description: "A hook whose handler panics",
    license: "GPL",
}

tackle::string_param! {
    /// The function to hook.
    static FUNCTION: StringParam<512> = "function", "Kernel function to hook";
}

struct Panicking {
    calls: Atomic<u64>,
    panic: Atomic<bool>,
}

impl EntryHandler for Panicking {
    fn entry(&self, _call: &Call) {
        self.calls.fetch_add(1, Relaxed);
        if self.panic.xchg(false, Relaxed) {
            panic!("a panic on purpose");
        }
    }
}

fn panic(hook: &EntryHook<Panicking>, reader: &mut UserSliceReader) -> Result {
    let panic = debugfs::read_bool(reader)?;
    hook.handler().panic.store(panic, Relaxed);
    Ok(())
}

struct HookOops {
    _files: Pin<KBox<Scope<EntryHook<Panicking>>>>,
}

impl kernel::Module for HookOops {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let handler = Panicking {
            calls: Atomic::new(0),
            panic: Atomic::new(false),
        };
        let hook = EntryHook::new(FUNCTION.value(), handler);
        let root = debugfs::root()?;
        let files = root.scope(hook, c"hook_oops", |hook, dir| {
            dir.write_only_callback_file(c"panic", hook, &panic);
            dir.read_callback_file(c"calls", hook, &|hook, f| {
                writeln!(f, "{}", hook.handler().calls.load(Relaxed))
            });
            dir.read_callback_file(c"missed", hook, &|hook, f| {
                writeln!(f, "{}", hook.missed().total())
            });
        });
        Ok(Self {
            _files: KBox::pin_init(files, GFP_KERNEL)?,
        })
    }
}
