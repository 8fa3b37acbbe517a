// SPDX-License-Identifier: GPL-2.0

//! Compiles with a kernel whose [`kernel::debugfs`] makes files that keep their module loaded
//! (`scripts/patches`, "rust: debugfs: let files keep their module loaded").

/// Only such a [`Dir`](kernel::debugfs::Dir) knows the module.
pub fn probe<M: kernel::ModuleMetadata>(_: &kernel::debugfs::Dir<M>) {}
