// SPDX-License-Identifier: GPL-2.0

//! Whose calls a hook's handler sees.
//!
//! A filter is asked before its handler, and looks at what the CPU has at hand: a load and a
//! compare for each thing asked, and for each step of the way to a task's cgroup.

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

/// Says why there is no filter, for a line that names it.
pub fn reason(error: Error) -> &'static str {
    match error {
        ESRCH => "there is no such process",
        ENOENT | ENOTDIR => "there is no such cgroup",
        EOPNOTSUPP => "this kernel has no cgroups",
        ENOMEM => "no memory for the filter",
        _ => "new processes cannot be followed",
    }
}

/// Tasks and CPUs: all that is set has to agree.
pub struct Filter {
    pid: Option<u32>,
    tgid: Option<u32>,
    tree: Option<Tree>,
    cgroup: Option<Cgroup>,
    cpus: Option<CpuList>,
}

impl Filter {
    /// Makes the filter that is asked for.
    ///
    /// A process tree is that of the processes which descend from one at this time, and of
    /// all which descend from a task of these later, also when their ancestors are gone.
    /// Each new task of the system is looked at for that, by a hook on `wake_up_new_task()`.
    ///
    /// # Errors
    ///
    /// [`reason`] puts these into words.
    ///
    /// - `ESRCH`: there is no such process.
    /// - `ENOENT`, `ENOTDIR`: there is no such cgroup. The path is one below the root of the
    ///   current task's cgroup namespace.
    /// - `EOPNOTSUPP`: the kernel has no cgroups.
    /// - `ENOMEM`, and those of [`EntryHook::new`](crate::ftrace::EntryHook::new).
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

/// A handler that sees the calls which its filter lets pass: one of hooks at the entry or the exit,
/// with or without a prototype, or one that overrides.
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
    /// Calls that the filter does not let pass go on.
    #[inline]
    fn entry<'a>(&self, call: &'a Call, arguments: Arguments<'a, F>) -> Option<Returned<'a, F>> {
        if self.filter.passes(call) {
            self.handler.entry(call, arguments)
        } else {
            None
        }
    }
}
