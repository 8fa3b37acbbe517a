// SPDX-License-Identifier: GPL-2.0

//! Counts NUMA hinting faults by task and node.
//!
//! ```sh
//! insmod numa_stat.ko tasks=4096
//! cd /sys/kernel/debug/tackle/numa_stat
//! cat faults          # pid tgid comm node0 node1 ... migrated
//! echo 1 > reset
//! cat dropped
//! ```
//!
//! All counts are pages, as in the kernel's own statistics (`/proc/PID/sched`), which it
//! lets decay; these only grow.
//!
//! - `faults` has a row for each task with faults since the last reset, in no order: on
//!   which node the memory was, for each node that is online, and how much of it the faults
//!   migrated. Of a task's name, blanks, backslashes and what is
//!   not visible ASCII are written in octal, such as `\040`, as in `/proc/mounts`.
//! - `dropped` counts what is in no row: the table had no room for the task (load the module
//!   with more `tasks`), or does not count the node (it counts the first 16).
//! - A 1 written to `reset` empties both. Faults that happen meanwhile may be lost.

#![forbid(unsafe_code)]

use kernel::{
    fmt,
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
    uaccess::UserSliceReader,
};
use tackle::{
    debugfs::{self, Scope},
    ftrace::{Call, EntryHandler, EntryHook},
    numa::{self, HintingFault},
    task,
};
use tackle_core::numa::{capacity, Row, Table, TaskSlot, MAX_NODES};

tackle::module! {
    type: NumaStat,
    name: "numa_stat",
    authors: ["The Tackle developers"],
    description: "NUMA hinting faults by task and node",
    license: "GPL",
    params: {
        tasks: u32 {
            default: 1024,
            description: "Tasks in the table, 64 to 65536; rounded up to a power of two",
        },
    },
}

/// Where the hook counts.
struct Counts {
    slots: KVVec<TaskSlot<MAX_NODES>>,
    dropped: Atomic<u64>,
}

impl Counts {
    fn new(tasks: usize) -> Result<Self> {
        let mut slots = KVVec::with_capacity(tasks, GFP_KERNEL)?;
        for _ in 0..tasks {
            slots.push(TaskSlot::new(), GFP_KERNEL)?;
        }
        Ok(Self {
            slots,
            dropped: Atomic::new(0),
        })
    }

    fn table(&self) -> Table<'_, MAX_NODES> {
        Table::new(&self.slots)
    }

    fn reset(&self) {
        self.table().clear();
        self.dropped.store(0, Relaxed);
    }
}

impl EntryHandler for Counts {
    fn entry(&self, call: &Call) {
        // A kernel thread that works in the memory of a process: the kernel does not count
        // its faults.
        if kernel::current!().mm().is_none() {
            return;
        }
        let Some(fault) = HintingFault::of(call) else {
            return;
        };
        let task = task::current();
        let recorded = self
            .table()
            .record(&task, fault.node, fault.pages, fault.migrated);
        if recorded.is_err() {
            self.dropped.fetch_add(fault.pages, Relaxed);
        }
    }
}

/// The text of `faults`.
fn show_faults(hook: &EntryHook<Counts>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let online = || (0..MAX_NODES).filter(|&node| numa::is_online(node));

    f.write_str("pid tgid comm")?;
    online().try_for_each(|node| write!(f, " node{node}"))?;
    f.write_str(" migrated\n")?;

    for row in hook.handler().table().iter() {
        let Row { pid, tgid, .. } = row;
        write!(f, "{pid} {tgid} ")?;
        show_comm(row.comm(), f)?;
        for pages in online().filter_map(|node| row.faults.get(node)) {
            write!(f, " {pages}")?;
        }
        writeln!(f, " {}", row.migrated)?;
    }
    Ok(())
}

/// Writes a task's name as one word; `-` when there is none.
fn show_comm(comm: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if comm.is_empty() {
        return f.write_str("-");
    }
    comm.iter().try_for_each(|&byte| match byte {
        b'\\' => f.write_str("\\134"),
        b'!'..=b'~' => write!(f, "{}", char::from(byte)),
        _ => write!(f, "\\{byte:03o}"),
    })
}

/// A write to `reset`.
fn reset(hook: &EntryHook<Counts>, reader: &mut UserSliceReader) -> Result {
    if debugfs::read_u64(reader)? != 1 {
        return Err(EINVAL);
    }
    hook.handler().reset();
    Ok(())
}

struct NumaStat {
    _files: Pin<KBox<Scope<EntryHook<Counts>>>>,
}

impl kernel::Module for NumaStat {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let tasks = module_parameters::tasks.value();
        let Ok(slots) = capacity(tasks as usize) else {
            pr_err!("tasks={tasks}: not between 64 and 65536\n");
            return Err(EINVAL);
        };
        let root = debugfs::root()?;
        let hook = EntryHook::new(HintingFault::FUNCTION, Counts::new(slots)?);
        let files = root.scope(hook, c"numa_stat", |hook, dir| {
            dir.read_callback_file(c"faults", hook, &show_faults);
            dir.write_only_callback_file(c"reset", hook, &reset);
            dir.read_callback_file(c"dropped", hook, &|hook, f| {
                writeln!(f, "{}", hook.handler().dropped.load(Relaxed))
            });
        });
        Ok(Self {
            _files: KBox::pin_init(files, GFP_KERNEL)?,
        })
    }
}
