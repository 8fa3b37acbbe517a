// SPDX-License-Identifier: GPL-2.0

//! Implements filters, which run a hook's handler only for the calls of certain tasks or CPUs.
//!
//! A filter is checked before its handler is called. It is cheap: it takes a load and a comparison
//! for each condition, and for each step from a task to its cgroup.

mod cgroup;
mod tree;

use crate::{
    ftrace::{
        Arguments, Call, EntryHandler, ExitHandler, OverrideHandler, Return, TypedEntryHandler,
        TypedExitHandler,
    },
    function::{Function, Replaceable, Returned},
    task,
};
use cgroup::Cgroup;
use kernel::prelude::*;
use tackle_core::hooks::{CpuList, FilterSpec};
use tree::Tree;

/// Returns the reason why a filter could not be created, for a log line that names the filter.
pub fn reason(error: Error) -> &'static str {
    match error {
        ESRCH => "there is no such process",
        ENOENT | ENOTDIR => "there is no such cgroup",
        EOPNOTSUPP => "this kernel has no cgroups",
        ENOMEM => "no memory for the filter",
        _ => "new processes cannot be followed",
    }
}

/// Conditions on the task and the CPU of a call. A call passes if all conditions that are set hold.
pub struct Filter {
    pid: Option<u32>,
    tgid: Option<u32>,
    tree: Option<Tree>,
    cgroup: Option<Cgroup>,
    cpus: Option<CpuList>,
}

impl Filter {
    /// Creates the filter with the conditions of `spec`.
    ///
    /// A process tree has the processes that descend from a given process when the filter is
    /// created, and all that descend from one of their tasks later, even if their ancestors have
    /// ended. To follow these, a hook on `wake_up_new_task()` checks each new task of the system.
    ///
    /// # Errors
    ///
    /// [`reason`] returns a message for each.
    ///
    /// - `ESRCH`: there is no process with the given ID.
    /// - `ENOENT`, `ENOTDIR`: there is no cgroup at the given path. The path is relative to the
    ///   root of the current task's cgroup namespace.
    /// - `EOPNOTSUPP`: the kernel has no cgroups.
    /// - `ENOMEM`: there is no memory for the filter.
    /// - The errors of [`EntryHook::new`](crate::ftrace::EntryHook::new).
    ///
    /// # Context
    ///
    /// May sleep, and so may the drop.
    pub fn new(spec: &FilterSpec<'_>) -> Result<Self> {
        Ok(Self {
            pid: spec.pid,
            tgid: spec.tgid,
            tree: spec.tree.map(Tree::new).transpose()?,
            cgroup: spec.cgroup.map(Cgroup::new).transpose()?,
            cpus: spec.cpus,
        })
    }

    /// Returns whether a call by the current task on this CPU passes.
    #[inline]
    pub fn passes(&self, call: &Call) -> bool {
        // CAST: An ID is not negative.
        self.pid.is_none_or(|pid| pid == task::pid() as u32)
            && self.tgid.is_none_or(|tgid| tgid == task::tgid() as u32)
            && self.cpus.is_none_or(|cpus| cpus.contains(task::cpu()))
            && self.tree.as_ref().is_none_or(Tree::has_current)
            && self
                .cgroup
                .as_ref()
                .is_none_or(|group| group.has_current(call))
    }
}

/// A handler with a filter. The handler is called only for calls that pass the filter. It can be
/// the handler of an entry hook or an exit hook, typed or not, or of an override hook.
pub struct Filtered<H> {
    filter: Filter,
    handler: H,
}

impl<H> Filtered<H> {
    /// Puts `filter` before `handler`.
    pub fn new(filter: Filter, handler: H) -> Self {
        Self { filter, handler }
    }

    /// Returns the handler.
    pub fn handler(&self) -> &H {
        &self.handler
    }
}

impl<H: EntryHandler> EntryHandler for Filtered<H> {
    #[inline]
    fn entry(&self, call: &Call) {
        if self.filter.passes(call) {
            self.handler.entry(call);
        }
    }
}

impl<F: Function, H: TypedEntryHandler<F>> TypedEntryHandler<F> for Filtered<H> {
    #[inline]
    fn entry<'a>(&self, call: &'a Call, arguments: Arguments<'a, F>) {
        if self.filter.passes(call) {
            self.handler.entry(call, arguments);
        }
    }
}

impl<H: ExitHandler> ExitHandler for Filtered<H> {
    type Data = H::Data;

    #[inline]
    fn entry(&self, call: &Call) -> Option<H::Data> {
        if self.filter.passes(call) {
            self.handler.entry(call)
        } else {
            None
        }
    }

    #[inline]
    fn exit(&self, ret: &Return, data: H::Data) {
        self.handler.exit(ret, data);
    }
}

impl<F: Function, H: TypedExitHandler<F>> TypedExitHandler<F> for Filtered<H> {
    type Data = H::Data;

    #[inline]
    fn entry<'a>(&self, call: &'a Call, arguments: Arguments<'a, F>) -> Option<H::Data> {
        if self.filter.passes(call) {
            self.handler.entry(call, arguments)
        } else {
            None
        }
    }

    #[inline]
    fn exit<'a>(&self, ret: &'a Return, value: Returned<'a, F>, data: H::Data) {
        self.handler.exit(ret, value, data);
    }
}

impl<F: Replaceable, H: OverrideHandler<F>> OverrideHandler<F> for Filtered<H> {
    /// A call that does not pass the filter is not skipped.
    #[inline]
    fn entry<'a>(&self, call: &'a Call, arguments: Arguments<'a, F>) -> Option<Returned<'a, F>> {
        if self.filter.passes(call) {
            self.handler.entry(call, arguments)
        } else {
            None
        }
    }
}
