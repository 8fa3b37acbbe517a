// SPDX-License-Identifier: GPL-2.0

//! Implements statistics of automatic NUMA balancing, by task, process, NUMA group, cgroup and
//! node.
//!
//! ```sh
//! insmod numa_stat.ko memory_kib=4096
//! cd /sys/kernel/debug/tackle/numa_stat
//! cat tasks           # pid=12 tgid=12 comm=worker faults=40 pages=40 mem=0:40 ...
//! cat processes groups cgroups nodes total events
//! cat wakeups         # with wakeups=1: waker=12 waker_comm=a wakee=13 wakee_comm=b ...
//! echo 1 > reset
//! ```
//!
//! `tackle numa stat` and `tackle numa top` show the same numbers as tables.
//! `Documentation/numa.rst` describes each key. The counters of a task never decrease, but
//! `avg_private` and `avg_shared` are halved with each scan window, like the kernel's averages in
//! `/proc/PID/sched`.
//!
//! The row of a task is freed when the task has ended. It is added then to the row of its cgroup,
//! and to that of its process as long as the process has other threads. If a set of rows is full,
//! the least recently used row of a task is added to the row `pid=others` of `tasks`. With
//! `wakeups=1` the module counts wake-ups across nodes for each pair of tasks.

#![forbid(unsafe_code)]

#[path = "numa_stat/observe.rs"]
mod observe;
#[path = "numa_stat/show.rs"]
mod show;
#[path = "numa_stat/table.rs"]
mod table;
#[path = "numa_stat/totals.rs"]
mod totals;
#[path = "numa_stat/wakeups.rs"]
mod wakeups;

use kernel::{prelude::*, uaccess::UserSliceReader};
use observe::Statistics;
use table::Table;
use tackle::{
    debugfs::{self, Scope},
    numa::{self, Events, Registration},
};
use tackle_core::numa::Layout;
use wakeups::{Wakeups, MAX_ROWS, WAYS};

tackle::module! {
    type: NumaStat,
    name: "numa_stat",
    authors: ["The Tackle developers"],
    description: "Statistics of automatic NUMA balancing",
    license: "GPL",
    params: {
        memory_kib: u32 {
            default: 8192,
            description: "Memory for the rows, in KiB, at most 1048576",
        },
        private: u32 {
            default: 1,
            description: "Count private and shared faults: 1 (with an exit hook) or 0",
        },
        wakeups: u32 {
            default: 0,
            description: "Count wake-ups across nodes by pair of tasks: 1 (with a hook) or 0",
        },
        wakeup_rows: u32 {
            default: 4096,
            description: "Rows for pairs of tasks, from 16 to 1048576",
        },
    },
}

/// The maximum of `memory_kib`.
const MAX_MEMORY_KIB: u32 = 1 << 20;

/// Handles a write to `reset`.
fn reset(shown: &Registration<Statistics>, reader: &mut UserSliceReader) -> Result {
    if debugfs::read_u64(reader)? != 1 {
        return Err(EINVAL);
    }
    let statistics = shown.observer();
    statistics.table.clear();
    statistics.wakeups.clear();
    Ok(())
}

struct NumaStat {
    _files: Pin<KBox<Scope<Registration<Statistics>>>>,
}

impl kernel::Module for NumaStat {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let left_out = match switch("private", module_parameters::private.value())? {
            false => Events::COUNTED,
            true => Events::FAULT,
        };
        let mut wanted = Events::ALL.without(left_out);
        let with_wakeups = switch("wakeups", module_parameters::wakeups.value())?;
        if !with_wakeups {
            wanted = wanted.without(Events::WAKEUP);
        }
        let statistics = statistics(with_wakeups)?;
        let events = Registration::<Statistics>::available(wanted);
        let root = debugfs::root()?;
        let registration = Registration::new(statistics, events)?;
        let files = root.scope(registration, c"numa_stat", |shown, dir| {
            dir.read_callback_file(c"tasks", shown, &show::tasks);
            dir.read_callback_file(c"processes", shown, &show::processes);
            dir.read_callback_file(c"groups", shown, &show::groups);
            dir.read_callback_file(c"cgroups", shown, &show::cgroups);
            dir.read_callback_file(c"nodes", shown, &show::nodes);
            dir.read_callback_file(c"total", shown, &show::total);
            dir.read_callback_file(c"events", shown, &show::events);
            if with_wakeups {
                dir.read_callback_file(c"wakeups", shown, &show::wakeups);
            }
            dir.write_only_callback_file(c"reset", shown, &reset);
        });
        Ok(Self {
            _files: KBox::pin_init(files, GFP_KERNEL)?,
        })
    }
}

/// Reads a parameter that is 0 or 1.
fn switch(name: &str, value: u32) -> Result<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => {
            pr_err!("{name}={value}: not 0 or 1\n");
            Err(EINVAL)
        }
    }
}

/// Creates the rows, with the sizes in the parameters.
fn statistics(with_wakeups: bool) -> Result<Statistics> {
    let rows = module_parameters::wakeup_rows.value();
    // CAST: A `usize` has 64 bits.
    let wakeups = Wakeups::new(rows as usize, with_wakeups).inspect_err(|&error| {
        if error == EINVAL {
            pr_err!("wakeup_rows={rows}: not between {WAYS} and {MAX_ROWS}\n");
        }
    })?;
    let kib = module_parameters::memory_kib.value();
    // CAST: A `usize` has 64 bits.
    let bytes = kib as usize * 1024;
    let made = if kib > MAX_MEMORY_KIB {
        Err(EINVAL)
    } else {
        Statistics::new(bytes, wakeups)
    };
    made.inspect_err(|&error| {
        if error == EINVAL {
            let row = Table::row_size(Layout::new(numa::nodes()));
            let least = (16 * row).div_ceil(1024);
            pr_err!("memory_kib={kib}: not between {least} and {MAX_MEMORY_KIB}\n");
        }
    })
}
