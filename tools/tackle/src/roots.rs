// SPDX-License-Identifier: GPL-2.0

//! Where the kernel's file systems are mounted.

use std::path::PathBuf;

/// The folders under which the kernel shows itself.
#[derive(Clone, Debug)]
pub struct Roots {
    /// sysfs, `/sys`.
    pub sys: PathBuf,
    /// procfs, `/proc`.
    pub proc: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            sys: "/sys".into(),
            proc: "/proc".into(),
        }
    }
}

impl Roots {
    /// The live patches.
    pub fn livepatch(&self) -> PathBuf {
        self.sys.join("kernel/livepatch")
    }

    /// The loaded module `name`.
    pub fn module(&self, name: &str) -> PathBuf {
        self.sys.join("module").join(name)
    }

    /// debugfs.
    pub fn debugfs(&self) -> PathBuf {
        self.sys.join("kernel/debug")
    }
}
