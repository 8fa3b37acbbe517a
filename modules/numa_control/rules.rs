// SPDX-License-Identifier: GPL-2.0

//! For which tasks balancing is off: the file `switch`.

use crate::{
    line::{self, Refused},
    Control,
};
use kernel::{
    fmt, new_mutex, new_spinlock_irq,
    prelude::*,
    str::CString,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc, Mutex, SpinLockIrq,
    },
    uaccess::UserSliceReader,
};
use tackle::{
    filter::{self, Filter},
    ftrace::{Arguments, Call, OverrideHandler},
    function::targets::TaskNumaWork,
    numa, task,
};
use tackle_core::{
    hooks::FilterSpec,
    numa::{parse_switch, Rank, TaskId, Verb, Who},
};

/// How many rules there can be.
const MAX_RULES: usize = 256;

/// Whose balancing a rule is about.
enum Tasks {
    All,
    /// A cgroup or a process.
    Filter(Filter),
    /// A thread.
    One(TaskId),
}

/// A rule.
struct Rule {
    /// As in the file: `pid=12`.
    name: CString,
    rank: Rank,
    is_on: bool,
    tasks: Tasks,
    /// The thread has ended.
    has_ended: Atomic<bool>,
}

impl Rule {
    /// Makes a rule.
    fn new(who: Who<'_>, is_on: bool) -> Result<Self, Refused> {
        let (name, tasks) = match who {
            Who::All => (CString::try_from_fmt(fmt!("all"))?, Tasks::All),
            Who::Pid(pid) => {
                let Some(task) = task::find(pid) else {
                    return Err(Refused::new(ESRCH, format_args!("there is no task {pid}")));
                };
                let name = CString::try_from_fmt(fmt!("pid={pid}"))?;
                (name, Tasks::One(task::id_of(&task)))
            }
            Who::Tgid(tgid) => {
                let spec = FilterSpec {
                    // CAST: Above 0.
                    tree: Some(tgid as u32),
                    ..FilterSpec::default()
                };
                let name = CString::try_from_fmt(fmt!("tgid={tgid}"))?;
                (name, filter(&spec)?)
            }
            Who::Cgroup(path) => {
                let spec = FilterSpec {
                    cgroup: Some(path),
                    ..FilterSpec::default()
                };
                let name = CString::try_from_fmt(fmt!("cgroup={path}"))?;
                (name, filter(&spec)?)
            }
        };
        Ok(Self {
            name,
            rank: who.rank(),
            is_on,
            tasks,
            has_ended: Atomic::new(false),
        })
    }

    /// Returns whether it is about the current task, in a handler that has got `call`.
    fn has_current(&self, call: &Call) -> bool {
        match &self.tasks {
            Tasks::All => true,
            Tasks::Filter(filter) => filter.passes(call),
            Tasks::One(id) => is_task(id, &task::current()),
        }
    }
}

/// Makes a filter, or says why there is none.
fn filter(spec: &FilterSpec<'_>) -> Result<Tasks, Refused> {
    match Filter::new(spec) {
        Ok(filter) => Ok(Tasks::Filter(filter)),
        Err(error) => Err(Refused::new(
            error,
            format_args!("{}", filter::reason(error)),
        )),
    }
}

/// Returns whether both are one thread.
pub(crate) fn is_task(a: &TaskId, b: &TaskId) -> bool {
    (a.pid, a.start) == (b.pid, b.start)
}

/// The rules.
#[pin_data]
pub(crate) struct Rules {
    /// Held while rules are changed.
    #[pin]
    changes: Mutex<()>,
    /// What handlers look at. A change replaces it, since making a rule may sleep.
    #[pin]
    list: SpinLockIrq<KVec<Arc<Rule>>>,
}

impl Rules {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            changes <- new_mutex!(()),
            list <- new_spinlock_irq!(KVec::new()),
        })
    }

    /// Copies the rules whose threads have not ended.
    fn copy(&self) -> Result<KVec<Arc<Rule>>> {
        let mut copy = KVec::with_capacity(MAX_RULES, GFP_KERNEL)?;
        let list = self.list.lock();
        for rule in list.iter().filter(|rule| !rule.has_ended.load(Relaxed)) {
            copy.push_within_capacity(rule.clone())?;
        }
        Ok(copy)
    }

    /// Does what a line says.
    pub(crate) fn change(&self, line: &mut UserSliceReader) -> Result<(), Refused> {
        let bytes = line::read(line)?;
        let (verb, who) = match parse_switch(line::text(&bytes)?) {
            Ok(request) => request,
            Err(why) => return Err(Refused::new(EINVAL, format_args!("{why}"))),
        };
        let _changes = self.changes.lock();
        let mut list = self.copy()?;
        let has_wider = list
            .iter()
            .any(|rule| !rule.is_on && rule.rank < who.rank());
        // Also for `clear`: a line about somebody who does not exist is refused.
        let rule = Rule::new(who, verb == Verb::On)?;
        list.retain(|other| *other.name != *rule.name);
        if verb == Verb::Off || verb == Verb::On && has_wider {
            if list.len() >= MAX_RULES {
                return Err(Refused::new(
                    ENOSPC,
                    format_args!("there are {MAX_RULES} rules: clear one first"),
                ));
            }
            list.push(Arc::new(rule, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        // What the list had is dropped without the lock: to take a filter off may sleep.
        core::mem::swap(&mut *self.list.lock(), &mut list);
        Ok(())
    }

    /// Writes the file `switch`.
    pub(crate) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.copy().map_err(|_| fmt::Error)?;
        for rule in &rules {
            let verb = if rule.is_on { "on" } else { "off" };
            let name = rule.name.to_str().map_err(|_| fmt::Error)?;
            writeln!(f, "{verb} {name}")?;
        }
        Ok(())
    }

    /// Forgets a thread that has ended.
    pub(crate) fn forget(&self, task: &TaskId) {
        for rule in self.list.lock().iter() {
            if matches!(&rule.tasks, Tasks::One(id) if is_task(id, task)) {
                rule.has_ended.store(true, Relaxed);
            }
        }
    }

    /// Returns whether the current task is to be balanced.
    fn is_on(&self, call: &Call) -> bool {
        let list = self.list.lock();
        let of_current = list.iter().filter(|rule| rule.has_current(call));
        let special = of_current.max_by_key(|rule| rule.rank);
        special.is_none_or(|rule| rule.is_on)
    }
}

/// Skips the scans of tasks whose balancing is off.
pub(crate) struct Scans(pub(crate) Arc<Control>);

impl OverrideHandler<TaskNumaWork> for Scans {
    fn entry<'a>(&self, call: &'a Call, arguments: Arguments<'a, TaskNumaWork>) -> Option<()> {
        if self.0.rules.is_on(call) {
            return None;
        }
        numa::skip_scan(arguments.0, call);
        Some(())
    }
}
