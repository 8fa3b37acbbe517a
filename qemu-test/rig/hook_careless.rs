// SPDX-License-Identifier: GPL-2.0

//! Implements handlers that do what handlers must not do, which `tackle hook check` must find. The
//! module is not meant to be loaded. If it is loaded, it hooks no function.

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

/// A handler that waits for a mutex.
struct Sleeper(Pin<KBox<Mutex<u64>>>);

/// A function between the handler and the mutex, so that the handler itself does not call a
/// function that sleeps.
#[inline(never)]
fn count(calls: &Mutex<u64>) {
    *calls.lock() += 1;
}

impl EntryHandler for Sleeper {
    fn entry(&self, _call: &Call) {
        count(&self.0);
    }
}

/// A handler that takes a spin lock, which may sleep with PREEMPT_RT.
struct Spinner(Pin<KBox<SpinLock<u64>>>);

impl EntryHandler for Spinner {
    fn entry(&self, _call: &Call) {
        *self.0.lock() += 1;
    }
}

/// A handler that allocates memory at the exit.
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
        // There is no function with this name.
        let name = c"hook_careless_no_such_function";
        let sleeper = Sleeper(KBox::pin_init(new_mutex!(0), GFP_KERNEL)?);
        KBox::pin_init(EntryHook::new(name, sleeper), GFP_KERNEL)?;
        let spinner = Spinner(KBox::pin_init(new_spinlock!(0), GFP_KERNEL)?);
        KBox::pin_init(EntryHook::new(name, spinner), GFP_KERNEL)?;
        KBox::pin_init(ExitHook::new(name, Allocator), GFP_KERNEL)?;
        Err(EINVAL)
    }
}
