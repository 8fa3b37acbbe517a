// SPDX-License-Identifier: GPL-2.0

//! Kinds of qdiscs and observers that a module has registered: what it has never dropped is
//! unregistered when the module is unloaded, since the kernel would go on to call its code.
//!
//! Hooks are in a list of their own (`ftrace/follow.rs`), as are files (`debugfs/node.rs`).

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

/// What has become of something.
#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Its owner registers or unregisters it.
    Busy,
    Registered,
    /// It is unregistered. Those who have references to the module may use its memory.
    Left,
}

/// Something that was registered.
struct Entry {
    owner: *const module,
    what: *mut c_void,
    withdraw: unsafe fn(*mut c_void),
    free: unsafe fn(*mut c_void),
    state: State,
}

struct All(KVec<Entry>);

// SAFETY: By the requirements of `add`, any thread may withdraw and free it.
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

/// Notes that code of `owner` is about to be called by way of `what`.
///
/// # Errors
///
/// `ENOMEM`.
///
/// # Safety
///
/// From [`registered`] to [`start_drop`], `withdraw` may be called with `what` by any thread. Then
/// the kernel does not come to it any more. `free` may be called by any thread after [`leave`],
/// when nobody has a reference to `owner`.
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

/// Forgets `what`, which its owner frees.
pub fn remove(what: *mut c_void) {
    ALL.lock().take(|entry| entry.what == what);
}

/// Leaves `what`, which is unregistered, to be freed when nobody uses its owner any more.
pub(crate) fn leave(what: *mut c_void) {
    ALL.lock().set(what, State::Left);
}

/// Unregisters all that `owner` has not dropped; returns how much that was. It is not freed.
///
/// To be called when the exit function of `owner` has returned, and its memory is still there.
pub(crate) fn sweep(owner: *const module) -> usize {
    let is_its = |entry: &Entry| entry.owner == owner && entry.state == State::Registered;
    let mut count = 0;
    loop {
        // Without the lock: it may wait for users, who may take it.
        let entry = ALL.lock().take(is_its);
        let Some(entry) = entry else {
            return count;
        };
        // SAFETY: By the requirements of `add`; it has gone from the list.
        unsafe { (entry.withdraw)(entry.what) };
        count += 1;
    }
}

/// Frees what `owner` has left. Nobody has a reference to it any more.
pub(crate) fn free(owner: *const module) {
    let is_its = |entry: &Entry| entry.owner == owner && entry.state == State::Left;
    loop {
        let entry = ALL.lock().take(is_its);
        let Some(entry) = entry else {
            return;
        };
        // SAFETY: By the requirements of `add`; it has gone from the list.
        unsafe { (entry.free)(entry.what) };
    }
}
