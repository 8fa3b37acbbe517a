// SPDX-License-Identifier: GPL-2.0

//! What the base holds from when its module is loaded until it is unloaded.

use crate::{debugfs, fault, going};
use kernel::{
    prelude::*,
    sync::atomic::{Acquire, Atomic, Relaxed, Release},
};

/// Whether somebody has begun to initialise the locks.
static CLAIMED: Atomic<bool> = Atomic::new(false);
/// Whether the locks are initialised.
static READY: Atomic<bool> = Atomic::new(false);

/// Returns whether the locks of this crate are initialised.
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

/// What `tackle.ko` holds while it is loaded: its directories in debugfs, and that it is told
/// of modules.
///
/// There is one at most.
pub struct Library {
    // Dropped in this order.
    _modules: Pin<KBox<going::Notifier>>,
    _fault: fault::Files,
    _root: debugfs::Root,
}

impl Library {
    /// Sets the base up.
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
            going::init();
            crate::leftover::init();
        }
        READY.store(true, Release);

        let root = debugfs::Root::new()?;
        Ok(Self {
            _modules: KBox::pin_init(going::Notifier::new(), GFP_KERNEL)?,
            _fault: fault::Files::new()?,
            _root: root,
        })
    }
}
