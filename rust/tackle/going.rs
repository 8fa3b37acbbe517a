// SPDX-License-Identifier: GPL-2.0

//! What has to be done with hooks and live patches when modules come and go.
//!
//! The base does the like for files and qdiscs (`rust/base/going.rs`). If both had a loop of their
//! own, the code of a module that the one waits for could register what the other has removed
//! already. So the notifiers here do all steps, and are told before those of the base, which find
//! nothing left.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

use crate::bindings;
#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
use crate::ftrace::follow;
#[cfg(CONFIG_LIVEPATCH)]
use crate::livepatch;
use kernel::{
    ffi::{c_int, c_ulong, c_void},
    prelude::*,
};
#[cfg(CONFIG_LIVEPATCH)]
pub(crate) use tackle_base::going::note;
use tackle_base::going::{self, registered, Block, FIRST, LAST};

/// The registrations by which this file is told of modules.
#[pin_data]
pub(crate) struct Notifier {
    #[pin]
    first: Block,
    #[pin]
    last: Block,
}

impl Notifier {
    /// Creates an initialiser that registers it.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        // SAFETY: The module loader may call them, and it calls them with a module.
        unsafe {
            try_pin_init!(Self {
                first <- registered(notify, FIRST),
                last <- registered(notify_last, LAST),
            } ? Error)
        }
    }
}

/// # Safety
///
/// Called by the module loader alone, with the module in `data`.
unsafe extern "C" fn notify(
    _block: *mut bindings::notifier_block,
    action: c_ulong,
    data: *mut c_void,
) -> c_int {
    let module: *mut kernel::bindings::module = data.cast();
    // The symbols of init functions are there until now.
    #[cfg(tackle_fault_inject)]
    crate::fault::name_points();
    // CAST: An enumeration of small numbers.
    match action as u32 {
        #[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
        bindings::module_state_MODULE_STATE_LIVE => {
            // SAFETY: By the function's requirements.
            follow::init_is_over(unsafe { going::name_of(module) });
        }
        // SAFETY: By the function's requirements.
        bindings::module_state_MODULE_STATE_GOING => unsafe { go(module) },
        _ => {}
    }
    // NOTIFY_DONE
    0
}

/// As [`notify`], after all others that are told, but for those of the base.
///
/// # Safety
///
/// As for [`notify`].
unsafe extern "C" fn notify_last(
    _block: *mut bindings::notifier_block,
    action: c_ulong,
    data: *mut c_void,
) -> c_int {
    let module: *mut kernel::bindings::module = data.cast();
    // CAST: As above.
    match action as u32 {
        // Its type information (BTF) is there.
        #[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
        bindings::module_state_MODULE_STATE_COMING => {
            // SAFETY: By the function's requirements.
            follow::come(unsafe { going::name_of(module) });
        }
        // SAFETY: By the function's requirements.
        bindings::module_state_MODULE_STATE_GOING => unsafe { go(module) },
        _ => {}
    }
    // NOTIFY_DONE
    0
}

/// Does what has to be done before `module` is freed. Nothing here can fail.
///
/// # Safety
///
/// The exit function of `module` has returned, or its init function has failed.
unsafe fn go(module: *mut kernel::bindings::module) {
    let hooks = || {
        #[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
        // SAFETY: By the function's requirements.
        return follow::go(unsafe { going::name_of(module) }, module);
        #[cfg(not(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES)))]
        0
    };
    let shadows = || {
        #[cfg(CONFIG_LIVEPATCH)]
        return livepatch::sweep(module);
        #[cfg(not(CONFIG_LIVEPATCH))]
        0
    };
    // SAFETY: By the function's requirements.
    unsafe { going::go(module, hooks, shadows) };
}
