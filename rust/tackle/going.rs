// SPDX-License-Identifier: GPL-2.0

//! Implements the module notifiers, which arm and remove hooks and shadow variables when modules
//! are loaded and unloaded.
//!
//! The base does the same for files and qdiscs (`rust/base/going.rs`). Each removal may wait for
//! code of the module, and this code may register an object of another kind again. If each crate
//! had a loop of its own, such an object could remain. So the notifiers here do all steps in one
//! loop. They run before those of the base, which then find nothing to remove.
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

/// The registrations of the module notifiers.
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
        // SAFETY: The module loader calls the notifiers with a module, as they require.
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
    // The symbols of init functions are removed after the notifiers have run.
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

/// As [`notify`], but runs after all other notifiers, except for those of the base.
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
        // Done last, when the kernel has loaded the type information (BTF) of the module.
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

/// Removes the hooks, shadow variables and objects of the base that use `module`, before the module
/// is freed. It cannot fail.
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
