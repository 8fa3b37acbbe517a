// SPDX-License-Identifier: GPL-2.0

//! Handles SIGINT, SIGTERM and SIGHUP. The signals set a flag, and every loop that waits checks it.
//! So the program returns normally, kills its children and removes its temporary files.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Whether the user asked to stop. Clones share the flag.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

/// The error that a loop returns when the flag is set.
#[derive(Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

impl Interrupt {
    /// Returns a flag that no signal sets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a flag that the signals set until the process ends.
    ///
    /// # Errors
    /// Fails when `sigaction(2)` fails.
    pub fn on_signals() -> std::io::Result<Self> {
        let flag = Self::new();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&flag.0))?;
        }
        Ok(flag)
    }

    /// Sets the flag, as a signal does.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// # Errors
    /// Fails with [`Interrupted`] when the flag is set.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.0.load(Ordering::Relaxed) {
            return Err(Interrupted);
        }
        Ok(())
    }
}
