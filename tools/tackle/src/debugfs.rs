// SPDX-License-Identifier: GPL-2.0

//! Finds the folder of a module in debugfs.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{bail, Result};

use crate::roots::Roots;

/// The folder of a module in debugfs.
#[derive(Clone, Copy, Debug)]
pub struct Interface {
    /// The purpose of the module for error messages, such as `hooks`.
    pub what: &'static str,
    /// The module's name.
    pub module: &'static str,
    /// The path of the folder, relative to the root of debugfs.
    pub folder: &'static str,
}

impl Interface {
    /// Returns the absolute path of the folder.
    ///
    /// # Errors
    /// Returns an error if debugfs is not mounted, only root may read it, or the module is not
    /// loaded. The text of the error names the command that solves the problem.
    pub fn open(&self, roots: &Roots) -> Result<PathBuf> {
        let debugfs = roots.debugfs();
        let is_mounted = match fs::read_dir(&debugfs) {
            // If debugfs is not mounted, its mount point is an empty folder.
            Ok(mut entries) => entries.next().is_some(),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                bail!("only root may use {}", self.what);
            }
            Err(_) => false,
        };
        if !is_mounted {
            let path = debugfs.display();
            bail!("debugfs is not mounted: mount -t debugfs none {path}");
        }
        let folder = debugfs.join(self.folder);
        if !folder.is_dir() {
            let Self { what, module, .. } = self;
            bail!("the module for {what} is not loaded: modprobe {module}");
        }
        Ok(folder)
    }
}
