// SPDX-License-Identifier: GPL-2.0

//! Implements the global state of the base, from when its module is loaded until it is unloaded.

use crate::{debugfs, fault, going, readiness::Readiness};
use kernel::prelude::*;

static READINESS: Readiness = Readiness::new();

/// Succeeds if the locks of this crate are initialised.
///
/// # Errors
///
/// `ENODEV`: the library is not loaded.
pub(crate) fn ready() -> Result {
    READINESS.get()
}

/// The global state of `tackle.ko` while it is loaded: its directories in debugfs, and its module
/// notifiers.
///
/// At most one exists.
pub struct Library {
    // Dropped in this order.
    _modules: Pin<KBox<going::Notifier>>,
    _fault: fault::Registration<fault::FailSetup>,
    _root: debugfs::Root,
}

impl Library {
    /// Sets the base up.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: the base was set up before.
    /// - `ENOMEM`: there is no memory for the directories or the notifiers.
    /// - `EEXIST`: other code has made `/sys/kernel/debug/tackle`.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn new() -> Result<Self> {
        READINESS.claim()?;
        // SAFETY: A claim succeeds only once, so each function is called only once. No lock is
        // taken before `READINESS` is set.
        unsafe {
            debugfs::init();
            fault::init();
            going::init();
            crate::leftover::init();
        }
        READINESS.set();

        let root = debugfs::Root::new()?;
        Ok(Self {
            _modules: KBox::pin_init(going::Notifier::new(), GFP_KERNEL)?,
            _fault: fault::Registration::new()?,
            _root: root,
        })
    }
}
