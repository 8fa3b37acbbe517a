// SPDX-License-Identifier: GPL-2.0

//! What the library holds from when its module is loaded until it is unloaded.

use crate::{debugfs, fault};
use kernel::prelude::*;

/// The library's directories in debugfs: what `tackle.ko` keeps, and drops when it goes.
///
/// There is one at most.
pub struct Library {
    // Dropped in this order.
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
        let root = debugfs::Root::new()?;
        Ok(Self {
            _fault: fault::Files::new()?,
            _root: root,
        })
    }
}
