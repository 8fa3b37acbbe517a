// SPDX-License-Identifier: GPL-2.0

//! Compiles only with a kernel in which files of [`kernel::debugfs`] keep their module loaded
//! (`scripts/patches`, "rust: debugfs: let files keep their module loaded").

/// Only in such a kernel [`Dir`](kernel::debugfs::Dir) has the module as a type parameter.
pub fn probe<M: kernel::ModuleMetadata>(_: &kernel::debugfs::Dir<M>) {}
