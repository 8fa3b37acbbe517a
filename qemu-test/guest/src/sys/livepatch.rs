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

/// Where the livepatch core has a folder for each patch.
pub const ROOT: &str = "/sys/kernel/livepatch";

/// A transition waits until no task sleeps in the old function and every one
/// has gone through the kernel's exit; it is looked at once a second.
const LIMIT: Duration = Duration::from_secs(60);

/// A patch, loaded. Goes away with the value.
pub struct Patch {
    name: &'static str,
    stack: Option<module::Stack>,
}

impl Patch {
    /// Loads [`NAME`] and waits until it is in force.
    ///
    /// # Errors
    ///
    /// It cannot be loaded, or the transition does not end.
    pub fn load() -> Result<Self> {
        Self::load_module(NAME, "")
    }

    /// Does what [`load`](Self::load) does with another patch.
    ///
    /// # Errors
    ///
    /// See [`load`](Self::load).
    pub fn load_module(name: &'static str, parameters: &str) -> Result<Self> {
        let patch = Self::begin_module(name, parameters)?;
        patch.settle()?;
        Ok(patch)
    }

    /// Loads [`NAME`], which begins the transition towards it.
    ///
    /// # Errors
    ///
    /// It cannot be loaded.
    pub fn begin() -> Result<Self> {
        Self::begin_module(NAME, "")
    }

    /// Does what [`begin`](Self::begin) does with another patch.
    ///
    /// # Errors
    ///
    /// It cannot be loaded.
    pub fn begin_module(name: &'static str, parameters: &str) -> Result<Self> {
        let stack = Some(module::stack(name, parameters)?);
        Ok(Self { name, stack })
    }

    /// The patch `name`, whose module has been loaded.
    pub fn of(name: &'static str, module: module::Loaded) -> Self {
        let stack = Some(module.into());
        Self { name, stack }
    }

    /// The patch's folder in sysfs.
    pub fn folder(&self) -> PathBuf {
        Self::folder_of(self.name)
    }

    /// The folder in sysfs of the patch `name`.
    pub fn folder_of(name: &str) -> PathBuf {
        Path::new(ROOT).join(name)
    }

    /// Reads a number of the folder: `enabled`, `transition`, `vmlinux/patched`, ...
    ///
    /// # Errors
    ///
    /// There is no such file; without the folder, the patch is not known to the kernel.
    pub fn state(&self, file: &str) -> Result<u8> {
        debugfs::value(self.folder().join(file))
    }

    /// Turns the patch's transition round twice: away from it, and towards it
    /// again. Tells whether that hit a transition; when there is none, or none
    /// any more, the patch is on its way out.
    ///
    /// # Errors
    ///
    /// The patch cannot be disabled.
    pub fn reverse(&self) -> Result<bool> {
        self.begin_disabling()?;
        // Only ever taken while tasks still change over; later the patch stays disabled.
        Ok(debugfs::write(self.folder().join("enabled"), "1")?.is_ok())
    }

    /// Begins the transition away from the patch.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn begin_disabling(&self) -> Result<()> {
        debugfs::set(self.folder().join("enabled"), "0")
    }

    /// Waits for the end of a transition towards the patch.
    ///
    /// # Errors
    ///
    /// It does not end, or the patch is not enabled.
    pub fn settle(&self) -> Result<()> {
        wait_for("the end of the transition", LIMIT, || {
            Ok((self.state("transition")? == 0).then_some(()))
        })?;
        let enabled = self.state("enabled")?;
        ensure!(enabled == 1, "expected enabled 1, got {enabled}");
        Ok(())
    }

    /// Disables the patch, if another one has not replaced it, waits until its folder in
    /// sysfs is gone and unloads the module.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or it takes too long.
    pub fn unload(mut self) -> Result<()> {
        self.disable()?;
        match self.stack.take() {
            Some(stack) => stack.unload(),
            None => Ok(()),
        }
    }

    fn disable(&self) -> Result<()> {
        // The folder vanishes by itself once the patch is out of force, at any
        // moment if it was disabled before: then there is nothing to write.
        if matches!(self.state("enabled"), Ok(1)) {
            self.begin_disabling()?;
        }
        self.await_out_of_force()
    }

    /// Waits until the patch is out of force.
    ///
    /// # Errors
    ///
    /// It takes too long.
    pub fn await_out_of_force(&self) -> Result<()> {
        wait_for("the patch to be out of force", LIMIT, || {
            Ok((!self.folder().exists()).then_some(()))
        })
    }
}

impl Drop for Patch {
    fn drop(&mut self) {
        if self.stack.is_some() {
            if let Err(error) = self.disable() {
                eprintln!("cannot disable {}: {error:#}", self.name);
            }
        }
    }
}

/// The folder of [`NAME`] in sysfs.
pub fn folder() -> PathBuf {
    Patch::folder_of(NAME)
}

/// Reads `enabled` or `transition` of [`NAME`], each 0 or 1.
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
