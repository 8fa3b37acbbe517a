// SPDX-License-Identifier: GPL-2.0

//! Handlers that do what none may, for `tackle hook check` to find. It is not to be loaded,
//! and has nothing on any function if it is.

#![forbid(unsafe_code)]

use kernel::{
    new_mutex, new_spinlock,
    prelude::*,
    sync::{Mutex, SpinLock},
};
use tackle::ftrace::{Call, EntryHandler, EntryHook, ExitHandler, ExitHook, Return};

tackle::module! {
    type: HookCareless,
    name: "hook_careless",
    authors: ["The Tackle developers"],
    description: "Handlers that sleep, spin and allocate",
    license: "GPL",
}

/// Waits for a lock.
struct Sleeper(Pin<KBox<Mutex<u64>>>);

/// A way that nobody sees at first sight.
#[inline(never)]
fn count(calls: &Mutex<u64>) {
    *calls.lock() += 1;
}

impl EntryHandler for Sleeper {
    fn entry(&self, _call: &Call) {
        count(&self.0);
    }
}

/// Takes a spin lock. Under PREEMPT_RT that is a lock to sleep on.
struct Spinner(Pin<KBox<SpinLock<u64>>>);

impl EntryHandler for Spinner {
    fn entry(&self, _call: &Call) {
        *self.0.lock() += 1;
    }
}

/// Takes memory at the exit.
struct Allocator;

impl ExitHandler for Allocator {
    type Data = usize;

    fn entry(&self, call: &Call) -> Option<usize> {
        Some(call.ip())
    }

    fn exit(&self, _ret: &Return, ip: usize) {
        if let Ok(ips) = KVec::from_elem(ip, 100, GFP_ATOMIC) {
            pr_info!("{ips:?}\n");
        }
    }
}

struct HookCareless;

impl kernel::Module for HookCareless {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // Of a function that there is not.
        let name = c"hook_careless_no_such_function";
        let sleeper = Sleeper(KBox::pin_init(new_mutex!(0), GFP_KERNEL)?);
        KBox::pin_init(EntryHook::new(name, sleeper), GFP_KERNEL)?;
        let spinner = Spinner(KBox::pin_init(new_spinlock!(0), GFP_KERNEL)?);
        KBox::pin_init(EntryHook::new(name, spinner), GFP_KERNEL)?;
        KBox::pin_init(ExitHook::new(name, Allocator), GFP_KERNEL)?;
        Err(EINVAL)
    }
}
