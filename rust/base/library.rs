// SPDX-License-Identifier: GPL-2.0

//! What the base holds from when its module is loaded until it is unloaded.

use crate::{debugfs, fault, going, readiness::Readiness};
use kernel::prelude::*;

static READINESS: Readiness = Readiness::new();

/// Returns whether the locks of this crate are initialised.
///
/// # Errors
///
/// `ENODEV`: the library is not loaded.
pub(crate) fn ready() -> Result {
    READINESS.get()
}

/// What `tackle.ko` holds while it is loaded: its directories in debugfs, and that it is told
/// of modules.
///
/// There is one at most.
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
    /// - `EBUSY`: that was done before.
    /// - `ENOMEM`.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn new() -> Result<Self> {
        READINESS.claim()?;
        // SAFETY: A claim succeeds once, so this is the only time. No lock is taken before
        // `READINESS` is set.
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
