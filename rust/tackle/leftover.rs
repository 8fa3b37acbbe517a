// SPDX-License-Identifier: GPL-2.0

//! Withdraws what a module has registered with the kernel and never dropped (`mem::forget`), when
//! the module is unloaded: the kernel would go on to call its code.
//!
//! This is for files and kinds of qdiscs. Hooks are in a list of their own
//! (`ftrace/follow.rs`).

use kernel::{bindings::module, ffi::c_void, prelude::*};

kernel::sync::global_lock! {
    // SAFETY: `Library::new` initialises it, before which `library::ready` lets nobody take it.
    unsafe(uninit) static ALL: Mutex<All> = All(KVec::new());
}

/// Initialises the lock of this file.
///
/// # Safety
///
/// To be called once, before [`library::ready`](crate::library::ready).
pub(crate) unsafe fn init() {
    // SAFETY: By the function's requirements.
    unsafe { ALL.init() };
}

/// Something that is registered.
struct Registered {
    owner: *const module,
    group: usize,
    what: *mut c_void,
    withdraw: unsafe fn(*mut c_void),
}

struct All(KVec<Registered>);

// SAFETY: By the requirements of `add`, any thread may withdraw it.
unsafe impl Send for All {}

/// Notes that code of `owner` is called by way of `what`, a part of `group`.
///
/// # Errors
///
/// `ENOMEM`.
///
/// # Safety
///
/// Until [`remove`] was called for the group, any thread may call `withdraw` with `what`, once.
/// Then the kernel does not call the code any more.
pub(crate) unsafe fn add(
    owner: *const module,
    group: usize,
    what: *mut c_void,
    withdraw: unsafe fn(*mut c_void),
) -> Result {
    let entry = Registered {
        owner,
        group,
        what,
        withdraw,
    };
    Ok(ALL.lock().0.push(entry, GFP_KERNEL)?)
}

/// Forgets a group: its owner withdraws it.
pub(crate) fn remove(group: usize) {
    let all = &mut ALL.lock().0;
    all.retain(|entry| entry.group != group);
    if all.is_empty() {
        // Nobody drops a static.
        *all = KVec::new();
    }
}

/// Withdraws all that `owner` has left behind; returns how much that was.
///
/// To be called when the exit function of `owner` has returned, and its memory is still there.
#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
pub(crate) fn sweep(owner: *const module) -> usize {
    let mut count = 0;
    loop {
        let mut all = ALL.lock();
        let Some(index) = all.0.iter().position(|entry| entry.owner == owner) else {
            return count;
        };
        let Ok(entry) = all.0.remove(index) else {
            return count;
        };
        // Without the lock: it may wait for users, who may take it.
        drop(all);
        // SAFETY: By the requirements of `add`; it has gone from the list.
        unsafe { (entry.withdraw)(entry.what) };
        count += 1;
    }
}
