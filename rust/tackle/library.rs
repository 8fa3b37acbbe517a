// SPDX-License-Identifier: GPL-2.0

//! Implements the initialisation of this crate, and the registrations that it holds while its
//! module is loaded.

use crate::going;
#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
use crate::{bindings, ftrace};
#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
use core::{
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};
use kernel::prelude::*;
use tackle_base::readiness::Readiness;

static READINESS: Readiness = Readiness::new();

/// Returns whether the locks of this crate are initialised.
///
/// # Errors
///
/// `ENODEV`: the library is not loaded.
pub(crate) fn ready() -> Result {
    READINESS.get()
}

/// The registrations that `tackle_ftrace.ko` holds while it is loaded: its notifiers for modules
/// and for oopses.
///
/// There is at most one `Library`.
pub struct Library {
    // Dropped in this order.
    _modules: Pin<KBox<going::Notifier>>,
    #[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
    _oopses: ftrace::OopsNotifier,
    #[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES, CONFIG_FPROBE))]
    _trampolines: ftrace::Trampolines,
    #[cfg(tackle_numa)]
    _probes: crate::numa::Probes,
}

/// The module of this crate, while it is loaded.
#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
static MODULE: AtomicPtr<kernel::bindings::module> = AtomicPtr::new(ptr::null_mut());

/// Keeps this crate and its base loaded until `release()` is called as often as this.
///
/// Called while a module uses this crate, so that its reference count is not 0.
#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
pub(crate) fn keep() {
    // SAFETY: The pointer is null, or that of this crate's module, which is loaded.
    unsafe { bindings::__module_get(MODULE.load(Ordering::Relaxed)) };
}

/// Drops the reference that one call of [`keep`] has taken.
///
/// The caller still runs code of this crate after this. The crate waits for such code when it is
/// unloaded.
#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES, CONFIG_FPROBE))]
pub(crate) fn release() {
    // SAFETY: As above.
    unsafe { bindings::module_put(MODULE.load(Ordering::Relaxed)) };
}

impl Library {
    /// Initialises this crate. `module` is the module of this crate.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: the crate was initialised before.
    /// - `ENOENT`: the kernel lacks a function that the library needs; the log has its name.
    /// - `ENOMEM`: there is no memory for the registrations.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn new(#[allow(unused)] module: &'static ThisModule) -> Result<Self> {
        READINESS.claim()?;
        // SAFETY: A claim succeeds only once, so each lock is initialised once. No lock is taken
        // before `READINESS` is set.
        unsafe {
            #[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
            ftrace::init();
            #[cfg(CONFIG_LIVEPATCH)]
            crate::livepatch::init();
            #[cfg(tackle_fault_inject)]
            crate::fault::init();
            #[cfg(tackle_numa)]
            crate::numa::init();
        }
        #[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
        {
            MODULE.store(module.as_ptr(), Ordering::Relaxed);
            crate::symbol::init()?;
        }
        READINESS.set();

        Ok(Self {
            _modules: KBox::pin_init(going::Notifier::new(), GFP_KERNEL)?,
            #[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
            _oopses: ftrace::OopsNotifier::new()?,
            #[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES, CONFIG_FPROBE))]
            _trampolines: ftrace::Trampolines::new(),
            #[cfg(tackle_numa)]
            _probes: crate::numa::Probes,
        })
    }
}
