// SPDX-License-Identifier: GPL-2.0

//! Implements hooks without writing code: a line that is written to a file adds a hook, and files
//! of the hook show its counters.
//!
//! ```sh
//! modprobe tackle_hooks
//! cd /sys/kernel/debug/tackle/hooks
//! echo 'vfs_read latency tgid=1' > add
//! cat list vfs_read_latency/histogram
//! echo vfs_read_latency > del
//! ```
//!
//! `Documentation/hooks.rst` describes the files.

#![forbid(unsafe_code)]

#[path = "tackle_hooks/collect.rs"]
mod collect;
#[path = "tackle_hooks/table.rs"]
mod table;

use kernel::{prelude::*, sync::Arc};
use table::Table;
use tackle::debugfs::{self, File};

tackle::module! {
    type: TackleHooks,
    name: "tackle_hooks",
    authors: ["The Tackle developers"],
    description: "Hooks on kernel functions, added and read through debugfs",
    license: "GPL",
}

/// The files, and the hooks that were added through them. Dropping this value removes both.
struct TackleHooks {
    _files: [Pin<KBox<File<Arc<Table>>>>; 4],
}

impl kernel::Module for TackleHooks {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let dir = debugfs::root()?.subdir(c"hooks")?;
        let table = Arc::pin_init(Table::new(dir.clone()), GFP_KERNEL)?;
        let add = dir.write_callback_file(c"add", table.clone(), &|table, line| table.add(line));
        let del = dir.write_callback_file(c"del", table.clone(), &|table, line| table.del(line));
        let error =
            dir.read_callback_file(c"error", table.clone(), &|table, f| table.show_error(f));
        let list = dir.read_callback_file(c"list", table.clone(), &|table, f| table.show_list(f));
        Ok(Self {
            _files: [
                KBox::pin_init(add, GFP_KERNEL)?,
                KBox::pin_init(del, GFP_KERNEL)?,
                KBox::pin_init(error, GFP_KERNEL)?,
                KBox::pin_init(list, GFP_KERNEL)?,
            ],
        })
    }
}
