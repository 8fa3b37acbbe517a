// SPDX-License-Identifier: GPL-2.0

//! Controls live patches from user space: loads them, reads their state in sysfs, and disables
//! them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{ensure, Result};

use super::{debugfs, module, wait_for};

/// The module that patches `cmdline_proc_show`.
pub const NAME: &str = "livepatch_cmdline";

/// The contents of `/proc/cmdline` while the patch is enabled.
pub const TEXT: &str = "this has been live patched";

/// The folder in which the livepatch core has a folder for each patch.
pub const ROOT: &str = "/sys/kernel/livepatch";

/// The time limit of a transition. It ends when no task sleeps in the old function and every task
/// has been switched. The livepatch core checks this once a second.
const LIMIT: Duration = Duration::from_secs(60);

/// A loaded patch. It is disabled and unloaded when this is dropped.
pub struct Patch {
    name: &'static str,
    stack: Option<module::Stack>,
}

impl Patch {
    /// Loads [`NAME`] and waits until its transition has ended.
    ///
    /// # Errors
    ///
    /// The patch cannot be loaded, or the transition does not end.
    pub fn load() -> Result<Self> {
        Self::load_module(NAME, "")
    }

    /// Does the same as [`load`](Self::load) for another patch.
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
    /// The patch cannot be loaded.
    pub fn begin() -> Result<Self> {
        Self::begin_module(NAME, "")
    }

    /// Does the same as [`begin`](Self::begin) for another patch.
    ///
    /// # Errors
    ///
    /// The patch cannot be loaded.
    pub fn begin_module(name: &'static str, parameters: &str) -> Result<Self> {
        let stack = Some(module::stack(name, parameters)?);
        Ok(Self { name, stack })
    }

    /// Returns the patch `name`, whose module has been loaded.
    pub fn of(name: &'static str, module: module::Loaded) -> Self {
        let stack = Some(module.into());
        Self { name, stack }
    }

    /// Returns the patch's folder in sysfs.
    pub fn folder(&self) -> PathBuf {
        Self::folder_of(self.name)
    }

    /// Returns the folder in sysfs of the patch `name`.
    pub fn folder_of(name: &str) -> PathBuf {
        Path::new(ROOT).join(name)
    }

    /// Reads a number in a file of the folder, such as `enabled`, `transition` or
    /// `vmlinux/patched`.
    ///
    /// # Errors
    ///
    /// The file does not exist. If the folder does not exist, the kernel does not know the patch.
    pub fn state(&self, file: &str) -> Result<u8> {
        debugfs::value(self.folder().join(file))
    }

    /// Disables the patch, and enables it again. Returns whether a transition was still in progress
    /// then. If not, the patch remains disabled.
    ///
    /// # Errors
    ///
    /// The patch cannot be disabled.
    pub fn reverse(&self) -> Result<bool> {
        self.begin_disabling()?;
        // The kernel accepts this only during the transition. Later the patch remains disabled.
        Ok(debugfs::write(self.folder().join("enabled"), "1")?.is_ok())
    }

    /// Disables the patch, which begins a transition.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn begin_disabling(&self) -> Result<()> {
        debugfs::set(self.folder().join("enabled"), "0")
    }

    /// Waits for the end of a transition after the patch was enabled.
    ///
    /// # Errors
    ///
    /// The transition does not end, or the patch is not enabled.
    pub fn settle(&self) -> Result<()> {
        wait_for("the end of the transition", LIMIT, || {
            Ok((self.state("transition")? == 0).then_some(()))
        })?;
        let enabled = self.state("enabled")?;
        ensure!(enabled == 1, "expected enabled 1, got {enabled}");
        Ok(())
    }

    /// Disables the patch, unless another patch has replaced it, waits until its folder in sysfs
    /// has been removed, and unloads the module.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or the transition takes too long.
    pub fn unload(mut self) -> Result<()> {
        self.disable()?;
        match self.stack.take() {
            Some(stack) => stack.unload(),
            None => Ok(()),
        }
    }

    fn disable(&self) -> Result<()> {
        // The kernel removes the folder after the patch was disabled. If the patch was disabled
        // before, the folder may not exist here, and there is nothing to write.
        if matches!(self.state("enabled"), Ok(1)) {
            self.begin_disabling()?;
        }
        self.await_out_of_force()
    }

    /// Waits until the patch is disabled and its transition has ended.
    ///
    /// # Errors
    ///
    /// The transition takes too long.
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

/// Returns the folder of [`NAME`] in sysfs.
pub fn folder() -> PathBuf {
    Patch::folder_of(NAME)
}

/// Reads `enabled` or `transition` of [`NAME`], each 0 or 1.
///
/// # Errors
///
/// The file does not exist, because the kernel does not know the patch.
pub fn state(file: &str) -> Result<u8> {
    debugfs::value(folder().join(file))
}

/// Returns the contents of `/proc/cmdline`.
///
/// # Errors
///
/// The file cannot be read.
pub fn cmdline() -> Result<String> {
    debugfs::read("/proc/cmdline")
}
