// SPDX-License-Identifier: GPL-2.0

//! Whether the locks of a crate are initialised.

use kernel::{
    prelude::*,
    sync::atomic::{Acquire, Atomic, Relaxed, Release},
};

/// That of one crate.
pub struct Readiness {
    /// Whether somebody has begun to initialise the locks.
    is_claimed: Atomic<bool>,
    /// Whether the locks are initialised.
    is_ready: Atomic<bool>,
}

impl Readiness {
    /// The locks are not initialised.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self {
            is_claimed: Atomic::new(false),
            is_ready: Atomic::new(false),
        }
    }

    /// Begins to initialise the locks. This succeeds once.
    ///
    /// # Errors
    ///
    /// `EBUSY`: that was done before.
    pub fn claim(&self) -> Result {
        if self.is_claimed.cmpxchg(false, true, Relaxed).is_err() {
            return Err(EBUSY);
        }
        Ok(())
    }

    /// Notes that the locks are initialised.
    pub fn set(&self) {
        self.is_ready.store(true, Release);
    }

    /// Returns whether the locks are initialised.
    ///
    /// # Errors
    ///
    /// `ENODEV`: they are not, since the library is not loaded.
    pub fn get(&self) -> Result {
        if self.is_ready.load(Acquire) {
            Ok(())
        } else {
            Err(ENODEV)
        }
    }
}
