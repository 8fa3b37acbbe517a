// SPDX-License-Identifier: GPL-2.0

//! What has to be done when modules come and go: a module's memory is freed only when the kernel
//! has forgotten its code.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
use crate::ftrace::follow;
#[cfg(CONFIG_LIVEPATCH)]
use crate::livepatch;
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
    // SAFETY: `Library::new` initialises it, before which `library::ready` lets nobody take it.
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
pub(crate) fn note(module: *const kernel::bindings::module) -> Result {
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
        // Nobody drops a static.
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
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: The functions for notifiers may be called from any thread.
unsafe impl Send for Notifier {}
// SAFETY: A shared reference gives access to nothing.
unsafe impl Sync for Notifier {}

impl Notifier {
    /// Creates an initialiser that registers it.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // Before kprobes, which gives up the probes of a module that goes: those that are
            // waited for may come to them.
            first <- registered(notify, c_int::MAX),
            // Behind KUnit, whose files run code of a module that goes, and behind BPF, which
            // reads the types of a module that comes.
            last <- registered(notify_last, c_int::MIN),
            _pin: PhantomPinned,
        } ? Error)
    }
}

type Callback = unsafe extern "C" fn(*mut bindings::notifier_block, c_ulong, *mut c_void) -> c_int;

/// A notifier block, registered from when it is initialised until it is dropped.
///
/// # Invariants
///
/// Once initialised, it is registered.
#[pin_data(PinnedDrop)]
struct Block {
    #[pin]
    block: Opaque<bindings::notifier_block>,
}

fn registered(callback: Callback, priority: c_int) -> impl PinInit<Block, Error> {
    try_pin_init!(Block {
        // INVARIANT: It is registered on success.
        block <- Opaque::try_ffi_init(move |block: *mut bindings::notifier_block| {
            fault::REGISTER_MODULE_NOTIFIER.check()?;
            // SAFETY: `block` points at uninitialised memory for one, which stays in its
            // place until `PinnedDrop`.
            unsafe {
                block.write(bindings::notifier_block {
                    notifier_call: Some(callback),
                    priority,
                    ..pin_init::zeroed()
                });
                to_result(bindings::register_module_notifier(block))
            }
        }),
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
        // The library's own module. Nobody drops a static.
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
    let module: *mut kernel::bindings::module = data.cast();
    // SAFETY: By the function's requirements; a module's name ends with a NUL.
    let name = unsafe { CStr::from_char_ptr((*module).name.as_ptr()) };
    // CAST: An enumeration of small numbers.
    match action as u32 {
        #[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
        bindings::module_state_MODULE_STATE_LIVE => follow::init_is_over(name),
        // SAFETY: By the function's requirements.
        bindings::module_state_MODULE_STATE_GOING => unsafe { go(name, module) },
        _ => {}
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
    let module: *mut kernel::bindings::module = data.cast();
    // SAFETY: By the function's requirements; a module's name ends with a NUL.
    let name = unsafe { CStr::from_char_ptr((*module).name.as_ptr()) };
    // CAST: As above.
    match action as u32 {
        // Its type information (BTF) is there.
        #[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
        bindings::module_state_MODULE_STATE_COMING => follow::come(name),
        bindings::module_state_MODULE_STATE_GOING => {
            // SAFETY: By the function's requirements.
            unsafe { go(name, module) };
            forget(module);
        }
        _ => {}
    }
    // NOTIFY_DONE
    0
}

/// Does what has to be done before `module`, called `name`, is freed. Nothing here can fail.
///
/// # Safety
///
/// The exit function of `module` has returned, or its init function has failed.
unsafe fn go(name: &CStr, module: *mut kernel::bindings::module) {
    // Code of the module may run until nobody uses it: a task in a replacement, in a file, in a
    // qdisc; and then the `Drop` of shadow variables. It may register more, and forget that.
    loop {
        #[allow(unused_mut)]
        let mut count = 0;
        #[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
        {
            count += told(name, follow::go(name, module), "hooks");
        }
        count += told(name, debugfs::sweep(module), "files");
        count += told(name, leftover::sweep(module), "kinds of qdiscs");
        // SAFETY: By the function's requirements.
        let waited = unsafe { wait_for_users(name, module) };
        leftover::free(module);
        // When no patch is in force any more that uses them.
        #[cfg(CONFIG_LIVEPATCH)]
        {
            count += told(name, livepatch::sweep(module), "kinds of shadow variables");
        }
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
