// SPDX-License-Identifier: GPL-2.0

//! What the library holds from when its module is loaded until it is unloaded.

#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
use crate::ftrace;
use crate::{debugfs, fault};
use kernel::{
    prelude::*,
    sync::atomic::{Acquire, Atomic, Relaxed, Release},
};

/// Whether somebody has begun to initialise the library's locks.
static CLAIMED: Atomic<bool> = Atomic::new(false);
/// Whether the locks are initialised.
static READY: Atomic<bool> = Atomic::new(false);

/// Returns whether the library's locks are initialised.
///
/// # Errors
///
/// `ENODEV`: the library is not loaded.
pub(crate) fn ready() -> Result {
    if READY.load(Acquire) {
        Ok(())
    } else {
        Err(ENODEV)
    }
}

/// The library's directories in debugfs, and its ear for modules: what `tackle.ko` keeps, and drops when it goes.
///
/// There is one at most.
pub struct Library {
    // Dropped in this order.
    #[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
    _modules: Pin<KBox<ftrace::Notifier>>,
    _fault: fault::Files,
    _root: debugfs::Root,
}

impl Library {
    /// Sets the library up.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: that was done before.
    /// - `ENOMEM`.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn new() -> Result<Self> {
        if CLAIMED.cmpxchg(false, true, Relaxed).is_err() {
            return Err(EBUSY);
        }
        // SAFETY: `CLAIMED` was not set and stays set, so this is the only time; `READY` is
        // not set, without which nobody takes the locks.
        unsafe {
            debugfs::init();
            #[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
            ftrace::init();
            #[cfg(CONFIG_LIVEPATCH)]
            crate::livepatch::init();
        }
        READY.store(true, Release);

        let root = debugfs::Root::new()?;
        Ok(Self {
            #[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
            _modules: KBox::pin_init(ftrace::Notifier::new(), GFP_KERNEL)?,
            _fault: fault::Files::new()?,
            _root: root,
        })
    }
}
