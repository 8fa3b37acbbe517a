// SPDX-License-Identifier: GPL-2.0

//! Observes NUMA balancing from Rust: counts the pages that tasks access on their own node and on
//! other nodes, and the pages that the kernel migrates.
//!
//! ```sh
//! insmod numa_local.ko
//! cat /sys/kernel/debug/tackle/numa_local/pages
//! ```

#![forbid(unsafe_code)]

use kernel::prelude::*;
use tackle::{
    debugfs::{self, Scope},
    numa::{Events, Fault, Migration, Observer, Outcome, Registration},
    percpu::Counter,
};

tackle::module! {
    type: NumaLocal,
    name: "numa_local",
    authors: ["The Tackle developers"],
    description: "Observes NUMA balancing",
    license: "GPL",
}

struct Pages {
    local: Counter,
    remote: Counter,
    migrated: Counter,
}

impl Observer for Pages {
    fn fault(&self, fault: &Fault<'_>) {
        let counter = if fault.is_local() {
            &self.local
        } else {
            &self.remote
        };
        counter.add(fault.pages().into());
    }

    fn migration(&self, migration: &Migration<'_>) {
        if migration.outcome() == Outcome::Done {
            self.migrated.add(migration.pages());
        }
    }
}

struct NumaLocal {
    _files: Pin<KBox<Scope<Registration<Pages>>>>,
}

impl kernel::Module for NumaLocal {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let pages = Pages {
            local: Counter::new()?,
            remote: Counter::new()?,
            migrated: Counter::new()?,
        };
        let registration = Registration::new(pages, Events::FAULT | Events::MIGRATION)?;
        let root = debugfs::root()?;
        let files = root.scope(registration, c"numa_local", |shown, dir| {
            dir.read_callback_file(c"pages", shown, &|shown, f| {
                let pages = shown.observer();
                writeln!(f, "local {}", pages.local.sum())?;
                writeln!(f, "remote {}", pages.remote.sum())?;
                writeln!(f, "migrated {}", pages.migrated.sum())
            });
        });
        Ok(Self {
            _files: KBox::pin_init(files, GFP_KERNEL)?,
        })
    }
}
