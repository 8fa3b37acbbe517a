// SPDX-License-Identifier: GPL-2.0

//! Implements the state that tells whether the locks of a crate are initialised.

use kernel::{
    prelude::*,
    sync::atomic::{Acquire, Atomic, Relaxed, Release},
};

/// Whether the locks of one crate are initialised.
pub struct Readiness {
    /// Whether the initialisation of the locks has begun.
    is_claimed: Atomic<bool>,
    /// Whether the locks are initialised.
    is_ready: Atomic<bool>,
}

impl Readiness {
    /// Creates the state in which the locks are not initialised.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self {
            is_claimed: Atomic::new(false),
            is_ready: Atomic::new(false),
        }
    }

    /// Claims the right to initialise the locks. This succeeds once.
    ///
    /// # Errors
    ///
    /// `EBUSY`: the right was claimed before.
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

    /// Succeeds if the locks are initialised.
    ///
    /// # Errors
    ///
    /// `ENODEV`: the locks are not initialised, since the library is not loaded.
    pub fn get(&self) -> Result {
        if self.is_ready.load(Acquire) {
            Ok(())
        } else {
            Err(ENODEV)
        }
    }
}
