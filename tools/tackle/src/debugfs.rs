// SPDX-License-Identifier: GPL-2.0

//! Finds the folder of a module in debugfs.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{bail, Result};

use crate::roots::Roots;

/// What a module has in debugfs.
#[derive(Clone, Copy, Debug)]
pub struct Interface {
    /// What it is for, such as `hooks`.
    pub what: &'static str,
    /// The module's name.
    pub module: &'static str,
    /// The folder, below the root of debugfs.
    pub folder: &'static str,
}

impl Interface {
    /// Returns the folder.
    ///
    /// # Errors
    /// When debugfs is not mounted or only root may read it, or the module is not loaded: the
    /// error has the command that changes this.
    pub fn open(&self, roots: &Roots) -> Result<PathBuf> {
        let debugfs = roots.debugfs();
        let is_mounted = match fs::read_dir(&debugfs) {
            // The folder that debugfs is to be mounted on is empty.
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
