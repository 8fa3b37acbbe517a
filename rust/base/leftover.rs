// SPDX-License-Identifier: GPL-2.0

//! Implements the list of registrations that a module may never drop (`mem::forget`). They are
//! removed when the module is unloaded: otherwise the kernel would still call the module's code.
//!
//! The list contains:
//!
//! - kinds of qdiscs (`net/qdisc/registration.rs`)
//! - kernel threads that call a function periodically (`periodic.rs`)
//! - fault attributes of C modules (`fault/c.rs`)
//! - observers of NUMA balancing in C (`rust/tackle/numa/c.rs`)
//! - the controller and the policy of NUMA balancing, in Rust and in C
//!   (`rust/tackle/numa/overrides.rs`)
//!
//! Other registrations are in other lists: hooks (`rust/tackle/ftrace/follow.rs`), kinds of shadow
//! variables (`rust/tackle/livepatch/shadow/registry.rs`), and files (`debugfs/node.rs`). An
//! observer of NUMA balancing in Rust needs no entry here, because its hooks are in the list of
//! hooks.

use crate::going;
use kernel::{bindings::module, ffi::c_void, prelude::*};

kernel::sync::global_lock! {
    // SAFETY: `Library::new` initialises it. `library::ready` fails before that.
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

/// The state of an entry.
#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Its owner is registering or unregistering it.
    Busy,
    Registered,
    /// It is unregistered. Code that has a reference to the module may still use its memory.
    Left,
}

/// A registration of a module: one of those that the documentation of this file lists.
struct Entry {
    owner: *const module,
    what: *mut c_void,
    withdraw: unsafe fn(*mut c_void),
    free: unsafe fn(*mut c_void),
    state: State,
}

struct All(KVec<Entry>);

// SAFETY: By the requirements of `add`, any thread may withdraw and free an entry.
unsafe impl Send for All {}

impl All {
    fn set(&mut self, what: *mut c_void, state: State) {
        if let Some(entry) = self.0.iter_mut().find(|entry| entry.what == what) {
            entry.state = state;
        }
    }

    fn take(&mut self, is_it: impl Fn(&Entry) -> bool) -> Option<Entry> {
        let index = self.0.iter().position(is_it)?;
        let entry = self.0.remove(index).ok();
        if self.0.is_empty() {
            // A static is not dropped: free its memory here.
            self.0 = KVec::new();
        }
        entry
    }
}

/// Adds `what` to the list, before its owner registers it. Through `what` the kernel calls code of
/// the module `owner`.
///
/// # Errors
///
/// `ENOMEM`: there is no memory for the list.
///
/// # Safety
///
/// From [`registered`] to [`start_drop`], any thread may call `withdraw` with `what`. After that
/// call the kernel does not reach `what` any more. After [`leave`], any thread may call `free` with
/// `what` once there are no references to `owner`.
pub unsafe fn add(
    owner: *const module,
    what: *mut c_void,
    withdraw: unsafe fn(*mut c_void),
    free: unsafe fn(*mut c_void),
) -> Result {
    let entry = Entry {
        owner,
        what,
        withdraw,
        free,
        state: State::Busy,
    };
    going::note(owner)?;
    Ok(ALL.lock().0.push(entry, GFP_KERNEL)?)
}

/// Notes that the owner of `what` has registered it.
pub fn registered(what: *mut c_void) {
    ALL.lock().set(what, State::Registered);
}

/// Notes that the owner of `what` is about to unregister it.
pub fn start_drop(what: *mut c_void) {
    ALL.lock().set(what, State::Busy);
}

/// Removes `what` from the list. Its owner frees it.
pub fn remove(what: *mut c_void) {
    ALL.lock().take(|entry| entry.what == what);
}

/// Leaves `what`, which is unregistered, in the list. It is freed once there are no references to
/// its owner.
pub(crate) fn leave(what: *mut c_void) {
    ALL.lock().set(what, State::Left);
}

/// Unregisters all entries that `owner` has not dropped; returns their number. Does not free them.
///
/// To be called after the exit function of `owner` has returned, and before its memory is freed.
pub(crate) fn sweep(owner: *const module) -> usize {
    let is_its = |entry: &Entry| entry.owner == owner && entry.state == State::Registered;
    let mut count = 0;
    loop {
        // Without the lock: `withdraw` may wait for users, which may take the lock.
        let entry = ALL.lock().take(is_its);
        let Some(entry) = entry else {
            return count;
        };
        // SAFETY: By the requirements of `add`. The entry was removed from the list, so no other
        // thread withdraws it.
        unsafe { (entry.withdraw)(entry.what) };
        count += 1;
    }
}

/// Frees all entries that `owner` has left. The caller makes sure that there are no references to
/// `owner` any more.
pub(crate) fn free(owner: *const module) {
    let is_its = |entry: &Entry| entry.owner == owner && entry.state == State::Left;
    loop {
        let entry = ALL.lock().take(is_its);
        let Some(entry) = entry else {
            return;
        };
        // SAFETY: By the requirements of `add`. The entry was removed from the list, so no other
        // thread frees it.
        unsafe { (entry.free)(entry.what) };
    }
}
