// SPDX-License-Identifier: GPL-2.0

//! Implements the paths at which `tackle` looks for files of the kernel.

use std::path::{Path, PathBuf};

/// The mount points of the kernel's file systems, and the root folder.
#[derive(Clone, Debug)]
pub struct Roots {
    /// sysfs, `/sys`.
    pub sys: PathBuf,
    /// procfs, `/proc`.
    pub proc: PathBuf,
    /// The root folder, for `/lib/modules`, `/boot` and `/usr/lib/debug`.
    pub root: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self::under(Path::new("/"))
    }
}

impl Roots {
    /// Returns the folders of a machine whose root folder is `root`.
    pub fn under(root: &Path) -> Self {
        Self {
            sys: root.join("sys"),
            proc: root.join("proc"),
            root: root.to_owned(),
        }
    }

    /// Returns the folder of the live patches.
    pub fn livepatch(&self) -> PathBuf {
        self.sys.join("kernel/livepatch")
    }

    /// Returns the folder of the loaded module `name`.
    pub fn module(&self, name: &str) -> PathBuf {
        self.sys.join("module").join(name)
    }

    /// Returns the mount point of debugfs.
    pub fn debugfs(&self) -> PathBuf {
        self.sys.join("kernel/debug")
    }
}
