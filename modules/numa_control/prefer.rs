// SPDX-License-Identifier: GPL-2.0

//! Which nodes tasks keep as their preferred ones: the file `prefer`.

use crate::{
    line::{self, Refused},
    rules::is_task,
    Control,
};
use kernel::{
    fmt, new_mutex, new_spinlock_irq,
    prelude::*,
    sync::{Arc, Mutex, SpinLockIrq},
    uaccess::UserSliceReader,
};
use tackle::{
    ftrace::{Arguments, Call, OverrideHandler},
    function::targets::SchedSetnuma,
    numa, task,
};
use tackle_core::numa::{parse_prefer, TaskId};

/// How many tasks can keep a node.
const MAX_TASKS: usize = 1024;

/// A task and the node that it keeps.
struct Preference {
    task: TaskId,
    node: usize,
}

/// The tasks that keep a preferred node.
#[pin_data]
pub(crate) struct Preferred {
    /// Held while the list is changed from user space.
    #[pin]
    changes: Mutex<()>,
    #[pin]
    list: SpinLockIrq<KVec<Preference>>,
}

impl Preferred {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            changes <- new_mutex!(()),
            list <- new_spinlock_irq!(KVec::new()),
        })
    }

    /// Does what a line says.
    pub(crate) fn change(&self, line: &mut UserSliceReader) -> Result<(), Refused> {
        let bytes = line::read(line)?;
        let (pid, node) = match parse_prefer(line::text(&bytes)?) {
            Ok(request) => request,
            Err(why) => return Err(Refused::new(EINVAL, format_args!("{why}"))),
        };
        let Some(task) = task::find(pid) else {
            return Err(Refused::new(ESRCH, format_args!("there is no task {pid}")));
        };
        let id = task::id_of(&task);
        let _changes = self.changes.lock();
        let Some(node) = node else {
            self.forget(&id);
            return Ok(());
        };
        if self.list.lock().len() >= MAX_TASKS {
            return Err(Refused::new(
                ENOSPC,
                format_args!("{MAX_TASKS} tasks keep a node: take one back first"),
            ));
        }
        let mut list = KVec::with_capacity(MAX_TASKS, GFP_KERNEL)?;
        // It is set now and kept from then on.
        numa::set_preferred_node(&task, node).map_err(|error| refusal(error, pid, node))?;
        let mut now = self.list.lock();
        now.retain(|other| !is_task(&other.task, &id));
        for other in now.drain_all() {
            list.push_within_capacity(other).map_err(Error::from)?;
        }
        list.push_within_capacity(Preference { task: id, node })
            .map_err(Error::from)?;
        core::mem::swap(&mut *now, &mut list);
        drop(now);
        Ok(())
    }

    /// Writes the file `prefer`.
    pub(crate) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut copy = KVec::with_capacity(MAX_TASKS, GFP_KERNEL).map_err(|_| fmt::Error)?;
        for preference in self.list.lock().iter() {
            let pair = (preference.task.pid, preference.node);
            copy.push_within_capacity(pair).map_err(|_| fmt::Error)?;
        }
        copy.iter()
            .try_for_each(|(pid, node)| writeln!(f, "pid={pid} node={node}"))
    }

    /// Forgets a task.
    pub(crate) fn forget(&self, task: &TaskId) {
        self.list
            .lock()
            .retain(|preference| !is_task(&preference.task, task));
    }

    /// Returns the node that a task keeps.
    fn of(&self, task: &TaskId) -> Option<usize> {
        let list = self.list.lock();
        let mut found = list.iter().filter(|other| is_task(&other.task, task));
        found.next().map(|preference| preference.node)
    }
}

/// Says why a task cannot prefer a node.
fn refusal(error: Error, pid: i32, node: usize) -> Refused {
    let refuse = |why: fmt::Arguments<'_>| Refused::new(error, why);
    match error {
        ENXIO => refuse(format_args!("node {node} is not online")),
        ENODEV => refuse(format_args!("node {node} has no CPU")),
        EPERM => refuse(format_args!(
            "task {pid} may not run on the CPUs of node {node}"
        )),
        ESRCH => refuse(format_args!("task {pid} has no address space")),
        _ => refuse(format_args!("the kernel has no function sched_setnuma")),
    }
}

/// Keeps the kernel from changing the node of a task that keeps one.
pub(crate) struct Preferences(pub(crate) Arc<Control>);

impl OverrideHandler<SchedSetnuma> for Preferences {
    fn entry<'a>(&self, _call: &'a Call, arguments: Arguments<'a, SchedSetnuma>) -> Option<()> {
        // Balancing calls it for the current task. `prefer` calls it for others.
        let kept = self.0.preferred.of(&task::current())?;
        let (_, node) = arguments;
        // CAST: A node that is negative is none that is kept.
        (node as usize != kept).then_some(())
    }
}
