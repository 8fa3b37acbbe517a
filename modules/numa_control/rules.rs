// SPDX-License-Identifier: GPL-2.0

//! Implements the file `switch`: rules that switch balancing off or on for tasks.

use crate::LINE_LEN;
use kernel::{
    fmt, new_mutex, new_spinlock_irq,
    prelude::*,
    str::CString,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
        Arc, Mutex, SpinLockIrq,
    },
    task::Task,
    uaccess::UserSliceReader,
};
use tackle::{
    debugfs::{line_text, read_line, LineError},
    filter::{self, Filter},
    ftrace::Call,
    task,
};
use tackle_core::{
    hooks::FilterSpec,
    numa::{parse_switch, Rank, Subject, Verb},
};

/// The maximum number of rules.
const MAX_RULES: usize = 256;

/// The tasks to which a rule applies.
enum Tasks {
    All,
    /// A cgroup or a process.
    Filter(Filter),
    /// A thread, by its address.
    One(usize),
}

impl Tasks {
    /// Finds the tasks of `who`. For a thread, also returns a reference to the thread.
    fn new(who: Subject<'_>) -> Result<(Self, Option<ARef<Task>>), LineError> {
        let spec = match who {
            Subject::All => return Ok((Self::All, None)),
            Subject::Pid(pid) => {
                let Some(task) = task::find(pid) else {
                    return Err(LineError::new(
                        ESRCH,
                        format_args!("there is no task {pid}"),
                    ));
                };
                return Ok((Self::One(task::address(&task)), Some(task)));
            }
            Subject::Tgid(tgid) => FilterSpec {
                // CAST: The value is above 0.
                tree: Some(tgid as u32),
                ..FilterSpec::default()
            },
            Subject::Cgroup(path) => FilterSpec {
                cgroup: Some(path),
                ..FilterSpec::default()
            },
        };
        match Filter::new(&spec) {
            Ok(filter) => Ok((Self::Filter(filter), None)),
            Err(error) => {
                let why = filter::reason(error);
                Err(LineError::new(error, format_args!("{why}")))
            }
        }
    }
}

/// A rule.
struct Rule {
    /// The name in the file, such as `pid=12`.
    name: CString,
    rank: Rank,
    is_on: bool,
    tasks: Tasks,
    /// Whether the rule is for a thread that has ended.
    has_ended: Atomic<bool>,
}

impl Rule {
    /// Returns whether the rule applies to the current task. `call` is the call for which the
    /// hook's handler runs.
    fn has_current(&self, call: &Call) -> bool {
        match &self.tasks {
            Tasks::All => true,
            Tasks::Filter(filter) => filter.passes(call),
            Tasks::One(task) => *task == task::current_address() && !self.has_ended.load(Relaxed),
        }
    }
}

/// Returns the name of the rule for `who`.
fn name(who: Subject<'_>) -> Result<CString> {
    struct Path<'a>(&'a str);

    impl core::fmt::Display for Path<'_> {
        fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            let mut names = Subject::path(self.0).peekable();
            if names.peek().is_none() {
                return f.write_str("/");
            }
            names.try_for_each(|name| write!(f, "/{name}"))
        }
    }

    match who {
        Subject::All => CString::try_from_fmt(format_args!("all")),
        Subject::Pid(pid) => CString::try_from_fmt(format_args!("pid={pid}")),
        Subject::Tgid(tgid) => CString::try_from_fmt(format_args!("tgid={tgid}")),
        Subject::Cgroup(path) => CString::try_from_fmt(format_args!("cgroup={}", Path(path))),
    }
}

/// The rules.
#[pin_data]
pub(crate) struct Rules {
    /// This lock is held while rules are changed.
    #[pin]
    changes: Mutex<()>,
    /// The rules, which handlers read. A change builds a new list without this lock, since that
    /// may sleep.
    #[pin]
    list: SpinLockIrq<KVec<Arc<Rule>>>,
    /// Whether the list is empty, for a check without the lock.
    is_empty: Atomic<bool>,
}

impl Rules {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            changes <- new_mutex!(()),
            list <- new_spinlock_irq!(KVec::new()),
            is_empty: Atomic::new(true),
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

    /// Executes a line.
    pub(crate) fn change(&self, line: &mut UserSliceReader) -> Result<(), LineError> {
        let bytes = read_line(line, LINE_LEN)?;
        let (verb, who) = match parse_switch(line_text(&bytes)?) {
            Ok(request) => request,
            Err(why) => return Err(LineError::new(EINVAL, format_args!("{why}"))),
        };
        let name = name(who)?;
        let _changes = self.changes.lock();
        let mut list = self.copy()?;
        let is_known = list.iter().any(|rule| *rule.name == *name);
        list.retain(|rule| *rule.name != *name);
        // Balancing is on by default: without other rules, an `on` rule has no effect.
        let is_needed = match verb {
            Verb::Clear => false,
            Verb::On => !list.is_empty(),
            Verb::Off => true,
        };
        // The reference is held until the rule is in the list, so that the end of the thread is
        // not missed.
        let mut thread = None;
        if is_needed {
            if list.len() >= MAX_RULES {
                return Err(LineError::new(
                    ENOSPC,
                    format_args!("there are {MAX_RULES} rules: clear one first"),
                ));
            }
            let tasks;
            (tasks, thread) = Tasks::new(who)?;
            let rule = Rule {
                name,
                rank: who.rank(),
                is_on: verb == Verb::On,
                tasks,
                has_ended: Atomic::new(false),
            };
            list.push(Arc::new(rule, GFP_KERNEL)?, GFP_KERNEL)?;
        } else if !is_known {
            // The line changes nothing, but it must fail if the tasks do not exist.
            Tasks::new(who)?;
        }
        self.is_empty.store(list.is_empty(), Relaxed);
        // The old list is dropped after the lock is released: dropping a filter may sleep.
        core::mem::swap(&mut *self.list.lock(), &mut list);
        drop(thread);
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

    /// Marks the rule of a thread that has ended.
    pub(crate) fn forget(&self, task: usize) {
        if self.is_empty.load(Relaxed) {
            return;
        }
        for rule in self.list.lock().iter() {
            if matches!(rule.tasks, Tasks::One(other) if other == task) {
                rule.has_ended.store(true, Relaxed);
            }
        }
    }

    /// Returns whether balancing is on for the current task. `call` is the call for which the
    /// hook's handler runs.
    pub(crate) fn is_on(&self, call: &Call) -> bool {
        if self.is_empty.load(Relaxed) {
            return true;
        }
        let list = self.list.lock();
        let of_current = list.iter().filter(|rule| rule.has_current(call));
        // If ranks are equal, `max_by_key` returns the last rule.
        let specific = of_current.max_by_key(|rule| rule.rank);
        specific.is_none_or(|rule| rule.is_on)
    }
}
