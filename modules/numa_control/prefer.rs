// SPDX-License-Identifier: GPL-2.0

//! Implements the file `prefer`: tasks that keep a preferred node.

use crate::LINE_LEN;
use kernel::{
    fmt, new_mutex, new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Mutex, SpinLockIrq,
    },
    uaccess::UserSliceReader,
};
use tackle::{
    debugfs::{line_text, read_line, LineError},
    numa, task,
};
use tackle_core::numa::parse_prefer;

/// The maximum number of tasks that keep a node.
const MAX_TASKS: usize = 1024;

/// A task and the node that it keeps.
#[derive(Clone, Copy)]
struct Preference {
    /// The address of the task.
    task: usize,
    /// The ID in the line that the user has written.
    pid: i32,
    node: usize,
}

/// The tasks that keep a preferred node.
#[pin_data]
pub(crate) struct Preferred {
    /// This lock is held while user space changes the list.
    #[pin]
    changes: Mutex<()>,
    #[pin]
    list: SpinLockIrq<KVec<Preference>>,
    /// Whether the list is empty, for a check without the lock.
    is_empty: Atomic<bool>,
}

impl Preferred {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            changes <- new_mutex!(()),
            list <- new_spinlock_irq!(KVec::new()),
            is_empty: Atomic::new(true),
        })
    }

    /// Executes a line.
    pub(crate) fn change(&self, line: &mut UserSliceReader) -> Result<(), LineError> {
        let bytes = read_line(line, LINE_LEN)?;
        let (pid, node) = match parse_prefer(line_text(&bytes)?) {
            Ok(request) => request,
            Err(why) => return Err(LineError::new(EINVAL, format_args!("{why}"))),
        };
        // The reference keeps the task from being freed before it is in the list.
        let Some(task) = task::find(pid) else {
            return Err(LineError::new(
                ESRCH,
                format_args!("there is no task {pid}"),
            ));
        };
        let _changes = self.changes.lock();
        let address = task::address(&task);
        let before = self.of(address);
        // Add the task to the list first: from here on, no other node can be set.
        self.keep(address, pid, node)?;
        let Some(node) = node else {
            return Ok(());
        };
        numa::set_preferred_node(&task, node).map_err(|error| {
            // This cannot fail with `ENOSPC`. After `ENOMEM` the task stays in the list with
            // `node`.
            let _ = self.keep(address, pid, before);
            refusal(error, pid, node)
        })
    }

    /// Sets the node that a task keeps. [`None`] removes the task from the list.
    fn keep(&self, task: usize, pid: i32, node: Option<usize>) -> Result<(), LineError> {
        let mut list = KVec::with_capacity(MAX_TASKS, GFP_KERNEL)?;
        let mut now = self.list.lock();
        for other in now.iter().filter(|other| other.task != task) {
            list.push_within_capacity(*other).map_err(Error::from)?;
        }
        if let Some(node) = node {
            if list
                .push_within_capacity(Preference { task, pid, node })
                .is_err()
            {
                drop(now);
                return Err(LineError::new(
                    ENOSPC,
                    format_args!("{MAX_TASKS} tasks keep a node: take one back first"),
                ));
            }
        }
        self.is_empty.store(list.is_empty(), Relaxed);
        core::mem::swap(&mut *now, &mut list);
        drop(now);
        Ok(())
    }

    /// Writes the file `prefer`.
    pub(crate) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut copy = KVec::with_capacity(MAX_TASKS, GFP_KERNEL).map_err(|_| fmt::Error)?;
        for preference in self.list.lock().iter() {
            copy.push_within_capacity(*preference)
                .map_err(|_| fmt::Error)?;
        }
        copy.iter()
            .try_for_each(|Preference { pid, node, .. }| writeln!(f, "pid={pid} node={node}"))
    }

    /// Removes a task that has ended.
    pub(crate) fn forget(&self, task: usize) {
        if !self.is_empty.load(Relaxed) {
            self.list.lock().retain(|other| other.task != task);
        }
    }

    /// Returns the node that the task at this address keeps.
    pub(crate) fn of(&self, task: usize) -> Option<usize> {
        if self.is_empty.load(Relaxed) {
            return None;
        }
        let list = self.list.lock();
        let found = list.iter().find(|other| other.task == task);
        found.map(|preference| preference.node)
    }
}

/// Returns the error that a task cannot prefer a node, with its reason.
fn refusal(error: Error, pid: i32, node: usize) -> LineError {
    let refuse = |why: fmt::Arguments<'_>| LineError::new(error, why);
    match error {
        ENXIO => refuse(format_args!("node {node} is not online")),
        ENODEV => refuse(format_args!("node {node} has no CPU")),
        EPERM => refuse(format_args!(
            "task {pid} may not run on the CPUs of node {node}"
        )),
        ESRCH => refuse(format_args!("task {pid} has no address space")),
        ENOENT => refuse(format_args!("the kernel has no function sched_setnuma")),
        _ => error.into(),
    }
}
