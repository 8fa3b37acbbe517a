// SPDX-License-Identifier: GPL-2.0

//! What has to be done when modules come and go: a module's memory is freed only when the kernel
//! has forgotten its code.
//!
//! The crate `tackle` has notifiers of its own (`rust/tackle/going.rs`). The priorities here let it
//! be told before this crate.
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

/// Modules to which somebody may have a reference, by way of this library.
struct Used(KVec<*const kernel::bindings::module>);

// SAFETY: They are addresses to compare.
unsafe impl Send for Used {}

/// Notes that somebody may get a reference to `module`: by a file, a kind of qdisc, a live patch.
///
/// # Errors
///
/// `ENOMEM`.
pub fn note(module: *const kernel::bindings::module) -> Result {
    let used = &mut USED.lock().0;
    if !used.contains(&module) {
        used.push(module, GFP_KERNEL)?;
    }
    Ok(())
}

/// Returns whether that was noted.
fn is_used(module: *const kernel::bindings::module) -> bool {
    USED.lock().0.contains(&module)
}

/// Forgets that it was noted.
fn forget(module: *const kernel::bindings::module) {
    let used = &mut USED.lock().0;
    used.retain(|other| *other != module);
    if used.is_empty() {
        // A static is not dropped: free its memory here.
        *used = KVec::new();
    }
}

/// The registrations by which this file is told of modules.
#[pin_data(PinnedDrop)]
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
                first <- registered(notify, FIRST - 1),
                last <- registered(notify_last, LAST - 1),
            } ? Error)
        }
    }
}

/// The priority of a notifier of the crate `tackle` before all others.
///
/// Before kprobes, which gives up the probes of a module that goes: those that are waited for may
/// come to them.
pub const FIRST: c_int = c_int::MAX;

/// The priority of a notifier of the crate `tackle` behind all others.
///
/// Behind KUnit, whose files run code of a module that goes, and behind BPF, which reads the types
/// of a module that comes.
pub const LAST: c_int = c_int::MIN + 1;

/// What the module loader calls: with the notifier's block, the module's new state and the module.
pub type Callback =
    unsafe extern "C" fn(*mut bindings::notifier_block, c_ulong, *mut c_void) -> c_int;

/// A notifier block, registered from when it is initialised until it is dropped.
///
/// # Invariants
///
/// Once initialised, it is registered.
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
        // INVARIANT: It is registered on success.
        block <- Opaque::try_ffi_init(move |block: *mut bindings::notifier_block| {
            fault::REGISTER_MODULE_NOTIFIER.check()?;
            // SAFETY: `block` points at uninitialised memory for one, which stays in its
            // place until `PinnedDrop`. By the function's requirements.
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
        // It has the library's own module. A static is not dropped: free its memory here.
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
    // CAST: An enumeration of small numbers.
    if action as u32 == bindings::module_state_MODULE_STATE_GOING {
        // SAFETY: By the function's requirements.
        unsafe { go(data.cast(), || 0, || 0) };
    }
    // NOTIFY_DONE
    0
}

/// As [`notify`], after all others that are told.
///
/// # Safety
///
/// As for [`notify`].
unsafe extern "C" fn notify_last(
    _block: *mut bindings::notifier_block,
    action: c_ulong,
    data: *mut c_void,
) -> c_int {
    // CAST: As above.
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
/// `module` stays during `'a`.
pub unsafe fn name_of<'a>(module: *const kernel::bindings::module) -> &'a CStr {
    // SAFETY: By the function's requirements; a module's name ends with a NUL.
    unsafe { CStr::from_char_ptr((*module).name.as_ptr()) }
}

/// Does what has to be done before `module` is freed. Nothing here can fail.
///
/// `hooks` takes the module's hooks off. `shadows` removes its kinds of shadow variables. Each
/// returns how many there were.
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
    // Code of the module can run as long as the module has users: tasks in a replacement, in a
    // file or in a qdisc. After that the `Drop` of its shadow variables runs. All of this code can
    // register more, and forget that.
    loop {
        let mut count = told(name, hooks(), "hooks");
        count += told(name, debugfs::sweep(module), "files");
        count += told(
            name,
            leftover::sweep(module),
            "kinds of qdiscs and observers",
        );
        // SAFETY: By the function's requirements.
        let waited = unsafe { wait_for_users(name, module) };
        leftover::free(module);
        // When no patch is in force any more that uses them.
        count += told(name, shadows(), "kinds of shadow variables");
        if count == 0 && !waited {
            return;
        }
    }
}

/// Returns `count`, and says what it is the number of, unless it is 0.
fn told(name: &CStr, count: usize, what: &str) -> usize {
    if count > 0 {
        pr_warn!("{name} has gone without its {count} {what}: they are removed\n");
    }
    count
}

/// Waits until nobody has a reference to a module that is about to be freed; returns whether
/// somebody had one.
///
/// A qdisc, an open file or a live patch has such a reference. A module that is unloaded has none.
/// If its init function has failed, the module loader frees it nevertheless.
///
/// Meanwhile others can load and unload modules, unless somebody (un)registers a module notifier:
/// then all wait.
///
/// # Safety
///
/// `module` is there.
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
