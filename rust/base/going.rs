// SPDX-License-Identifier: GPL-2.0

//! Implements the notifiers for the unloading of modules: before a module's memory is freed, they
//! remove its remaining registrations, so that the kernel does not call its code any more.
//!
//! The crate `tackle` has notifiers of its own (`rust/tackle/going.rs`). By the priorities here,
//! each of them is called before the one of this crate.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

use crate::{bindings, debugfs, fault, leftover};
use core::marker::PhantomPinned;
use kernel::{
    error::to_result,
    ffi::{c_int, c_ulong, c_void},
    prelude::*,
    time::{delay::fsleep, Delta},
    types::Opaque,
};

kernel::sync::global_lock! {
    // SAFETY: `Library::new` initialises it. `library::ready` fails before that.
    unsafe(uninit) static USED: Mutex<Used> = Used(KVec::new());
}

/// Initialises the lock of this file.
///
/// # Safety
///
/// To be called once, before [`library::ready`](crate::library::ready).
pub(crate) unsafe fn init() {
    // SAFETY: By the function's requirements.
    unsafe { USED.init() };
}

/// Modules to which this library may have given references.
struct Used(KVec<*const kernel::bindings::module>);

// SAFETY: The pointers are only compared, and not dereferenced.
unsafe impl Send for Used {}

/// Notes that there may be references to `module` from now on: by a file, a kind of qdisc or a live
/// patch.
///
/// # Errors
///
/// `ENOMEM`: there is no memory for the list.
pub fn note(module: *const kernel::bindings::module) -> Result {
    let used = &mut USED.lock().0;
    if !used.contains(&module) {
        used.push(module, GFP_KERNEL)?;
    }
    Ok(())
}

/// Returns whether [`note`] was called for `module`.
fn is_used(module: *const kernel::bindings::module) -> bool {
    USED.lock().0.contains(&module)
}

/// Undoes [`note`].
fn forget(module: *const kernel::bindings::module) {
    let used = &mut USED.lock().0;
    used.retain(|other| *other != module);
    if used.is_empty() {
        // A static is not dropped: free its memory here.
        *used = KVec::new();
    }
}

/// The module notifiers of this file.
#[pin_data(PinnedDrop)]
pub(crate) struct Notifier {
    #[pin]
    first: Block,
    #[pin]
    last: Block,
}

impl Notifier {
    /// Creates an initialiser that registers the notifiers.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        // SAFETY: The module loader may call both functions: it passes a module, as they require.
        unsafe {
            try_pin_init!(Self {
                first <- registered(notify, FIRST - 1),
                last <- registered(notify_last, LAST - 1),
            } ? Error)
        }
    }
}

/// The priority of the notifier of the crate `tackle` that is called before all others.
///
/// It is called before the notifier of kprobes, which removes the probes of a module that is
/// unloaded: tasks for which the notifier here waits may still reach these probes.
pub const FIRST: c_int = c_int::MAX;

/// The priority of the notifier of the crate `tackle` that is called after all others but the last
/// one of this crate.
///
/// It is called after KUnit's notifier, since KUnit's files run code of a module that is unloaded.
/// It is also called after BPF's notifier, which reads the types of a module that is loaded.
pub const LAST: c_int = c_int::MIN + 1;

/// A function that the module loader calls with the notifier's block, the module's new state and
/// the module.
pub type Callback =
    unsafe extern "C" fn(*mut bindings::notifier_block, c_ulong, *mut c_void) -> c_int;

/// A notifier block, registered from when it is initialised until it is dropped.
///
/// # Invariants
///
/// Once this is initialised, `block` is registered.
#[pin_data(PinnedDrop)]
pub struct Block {
    #[pin]
    block: Opaque<bindings::notifier_block>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: The functions for notifiers may be called from any thread.
unsafe impl Send for Block {}
// SAFETY: A shared reference gives access to nothing.
unsafe impl Sync for Block {}

/// Creates an initialiser of a notifier block with this callback and priority.
///
/// # Safety
///
/// The module loader may call `callback` until the block is dropped.
pub unsafe fn registered(callback: Callback, priority: c_int) -> impl PinInit<Block, Error> {
    try_pin_init!(Block {
        // INVARIANT: The block is registered on success.
        block <- Opaque::try_ffi_init(move |block: *mut bindings::notifier_block| {
            fault::REGISTER_MODULE_NOTIFIER.check()?;
            // SAFETY: `block` points at uninitialised memory for a block, which stays in its place
            // until `PinnedDrop` unregisters it. By the function's requirements `callback` may be
            // called until then.
            unsafe {
                block.write(bindings::notifier_block {
                    notifier_call: Some(callback),
                    priority,
                    ..pin_init::zeroed()
                });
                to_result(bindings::register_module_notifier(block))
            }
        }),
        _pin: PhantomPinned,
    })
}

#[pinned_drop]
impl PinnedDrop for Block {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants.
        unsafe { bindings::unregister_module_notifier(self.block.get()) };
    }
}

#[pinned_drop]
impl PinnedDrop for Notifier {
    fn drop(self: Pin<&mut Self>) {
        // The list may contain the library's own module, for which `forget` is not called. A static
        // is not dropped: free its memory here.
        USED.lock().0 = KVec::new();
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
    // CAST: The action is a small number of an enumeration.
    if action as u32 == bindings::module_state_MODULE_STATE_GOING {
        // SAFETY: By the function's requirements.
        unsafe { go(data.cast(), || 0, || 0) };
    }
    // NOTIFY_DONE
    0
}

/// As [`notify`], called after all other notifiers.
///
/// # Safety
///
/// As for [`notify`].
unsafe extern "C" fn notify_last(
    _block: *mut bindings::notifier_block,
    action: c_ulong,
    data: *mut c_void,
) -> c_int {
    // CAST: The action is a small number of an enumeration.
    if action as u32 == bindings::module_state_MODULE_STATE_GOING {
        let module = data.cast();
        // SAFETY: By the function's requirements.
        unsafe { go(module, || 0, || 0) };
        forget(module);
    }
    // NOTIFY_DONE
    0
}

/// Returns the name of a module.
///
/// # Safety
///
/// `module` is valid during `'a`.
pub unsafe fn name_of<'a>(module: *const kernel::bindings::module) -> &'a CStr {
    // SAFETY: By the function's requirements; a module's name ends with a NUL.
    unsafe { CStr::from_char_ptr((*module).name.as_ptr()) }
}

/// Removes the remaining registrations of `module` and waits for its users, before its memory is
/// freed. Nothing here can fail.
///
/// `hooks` removes the module's hooks. `shadows` removes its kinds of shadow variables. Each
/// returns the number that it has removed.
///
/// # Safety
///
/// The exit function of `module` has returned, or its init function has failed.
pub unsafe fn go(
    module: *mut kernel::bindings::module,
    hooks: impl Fn() -> usize,
    shadows: impl Fn() -> usize,
) {
    // SAFETY: By the function's requirements.
    let name = unsafe { name_of(module) };
    // Code of the module can run as long as the module has users: tasks that execute a replacement,
    // use a file or a qdisc. After that the `Drop` of its shadow variables runs. All of this code
    // can register more things and never drop them. So repeat until nothing was found.
    loop {
        let mut count = told(name, hooks(), "hooks");
        count += told(name, debugfs::sweep(module), "files");
        count += told(name, leftover::sweep(module), "registrations");
        // SAFETY: By the function's requirements.
        let waited = unsafe { wait_for_users(name, module) };
        leftover::free(module);
        // After the wait: no live patch that uses the shadow variables is in force any more.
        count += told(name, shadows(), "kinds of shadow variables");
        if count == 0 && !waited {
            return;
        }
    }
}

/// Returns `count`. Unless it is 0, logs that `count` things of the kind `what` are removed.
fn told(name: &CStr, count: usize, what: &str) -> usize {
    if count > 0 {
        pr_warn!("{name} has gone without its {count} {what}: they are removed\n");
    }
    count
}

/// Waits until there are no references to a module that is about to be freed. Returns whether there
/// was one.
///
/// A qdisc, an open file or a live patch has such a reference. A module that `rmmod` unloads has
/// none. But if a module's init function has failed, the module loader frees the module although
/// there are references.
///
/// During the wait other modules can be loaded and unloaded, unless a task registers or unregisters
/// a module notifier: then all of them wait.
///
/// # Safety
///
/// `module` is valid: its memory is not freed yet.
unsafe fn wait_for_users(name: &CStr, module: *mut kernel::bindings::module) -> bool {
    if !is_used(module) {
        return false;
    }
    let mut waited_ms: u64 = 0;
    loop {
        // SAFETY: By the function's requirements.
        let count = unsafe { kernel::bindings::module_refcount(module) };
        if count <= 0 {
            return waited_ms > 0;
        }
        fsleep(Delta::from_millis(10));
        waited_ms += 10;
        if waited_ms % 10_000 == 1_000 {
            pr_warn!("{name} is about to be freed: waiting for {count} users of it\n");
        }
    }
}
