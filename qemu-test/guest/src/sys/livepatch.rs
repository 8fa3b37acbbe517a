// SPDX-License-Identifier: GPL-2.0

//! A live patch from user space: loading, its state in sysfs, disabling.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{ensure, Result};

use super::{debugfs, module, wait_for};

/// The module that patches `cmdline_proc_show`.
pub const NAME: &str = "livepatch_cmdline";

/// What `/proc/cmdline` has while the patch is in force.
pub const TEXT: &str = "this has been live patched";

/// A transition waits until no task sleeps in the old function and every one
/// has gone through the kernel's exit; it is looked at once a second.
const LIMIT: Duration = Duration::from_secs(60);

/// The patch, loaded. Goes away with the value.
pub struct Patch {
    stack: Option<module::Stack>,
}

impl Patch {
    /// Loads the patch and waits until it is in force.
    ///
    /// # Errors
    ///
    /// It cannot be loaded, or the transition does not end.
    pub fn load() -> Result<Self> {
        let patch = Self::begin()?;
        patch.settle()?;
        Ok(patch)
    }

    /// Loads the patch, which begins the transition towards it.
    ///
    /// # Errors
    ///
    /// It cannot be loaded.
    pub fn begin() -> Result<Self> {
        let stack = Some(module::stack(NAME, "")?);
        Ok(Self { stack })
    }

    /// Turns the patch's transition round twice: away from it, and towards it
    /// again. Tells whether that hit a transition; when there is none, or none
    /// any more, the patch is on its way out.
    ///
    /// # Errors
    ///
    /// The patch cannot be disabled.
    pub fn reverse(&self) -> Result<bool> {
        debugfs::set(folder().join("enabled"), "0")?;
        // Only ever taken while tasks still change over; later the patch stays disabled.
        Ok(debugfs::write(folder().join("enabled"), "1")?.is_ok())
    }

    /// Waits for the end of a transition towards the patch.
    ///
    /// # Errors
    ///
    /// It does not end, or the patch is not enabled.
    pub fn settle(&self) -> Result<()> {
        wait_for("the end of the transition", LIMIT, || {
            Ok((state("transition")? == 0).then_some(()))
        })?;
        let enabled = state("enabled")?;
        ensure!(enabled == 1, "expected enabled 1, got {enabled}");
        Ok(())
    }

    /// Disables the patch, waits until its folder in sysfs is gone and
    /// unloads the module.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or it takes too long.
    pub fn unload(mut self) -> Result<()> {
        disable()?;
        match self.stack.take() {
            Some(stack) => stack.unload(),
            None => Ok(()),
        }
    }
}

impl Drop for Patch {
    fn drop(&mut self) {
        if self.stack.is_some() {
            if let Err(error) = disable() {
                eprintln!("cannot disable {NAME}: {error:#}");
            }
        }
    }
}

/// The patch's folder in sysfs.
pub fn folder() -> PathBuf {
    Path::new("/sys/kernel/livepatch").join(NAME)
}

/// Reads `enabled` or `transition`, each 0 or 1.
///
/// # Errors
///
/// There is no such file: the patch is not known to the kernel.
pub fn state(file: &str) -> Result<u8> {
    debugfs::value(folder().join(file))
}

/// What `/proc/cmdline` has now.
///
/// # Errors
///
/// It cannot be read.
pub fn cmdline() -> Result<String> {
    debugfs::read("/proc/cmdline")
}

fn disable() -> Result<()> {
    // The folder vanishes by itself once the patch is out of force, at any
    // moment if it was disabled before: then there is nothing to write.
    if matches!(state("enabled"), Ok(1)) {
        debugfs::set(folder().join("enabled"), "0")?;
    }
    wait_for("the patch to be out of force", LIMIT, || {
        Ok((!folder().exists()).then_some(()))
    })
}
