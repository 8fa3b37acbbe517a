// SPDX-License-Identifier: GPL-2.0

//! Switches automatic NUMA balancing on and off for tasks, processes and cgroups, and keeps
//! preferred nodes.
//!
//! ```sh
//! insmod numa_control.ko
//! cd /sys/kernel/debug/tackle/numa_control
//! echo 'off cgroup=/database' > switch
//! echo 'off all' > switch; echo 'on tgid=1234' > switch
//! echo '1234 1' > prefer
//! cat switch prefer error
//! ```
//!
//! If several rules match, the most specific one applies: `pid`, then `tgid`, then the deepest
//! `cgroup`, then `all`. Among rules of the same rank, the one that was written last applies. A
//! `tgid` rule applies to the threads of the process and to all its descendants. `clear` removes a
//! rule. So does `on`, if there is no other rule. IDs are those of the initial namespace.
//!
//! While balancing is off for a task, its calls of `task_numa_work()` return at once. The kernel
//! scans address spaces, not threads. So a rule for one thread only decides whether this thread
//! takes part in the scan, and other threads of the process can scan the same memory. Page table
//! entries that an earlier scan has marked still cause one hinting fault each.
//!
//! When the module is unloaded, the kernel balances all tasks as before.

#![forbid(unsafe_code)]

#[path = "numa_control/prefer.rs"]
mod prefer;
#[path = "numa_control/rules.rs"]
mod rules;

use kernel::{prelude::*, sync::Arc};
use prefer::Preferred;
use rules::Rules;
use tackle::{
    debugfs::{self, LastError, Scope},
    ftrace::Call,
    numa::{Control, Controller, Events, Exit, Observer, Registration, Task},
};

tackle::module! {
    type: NumaControl,
    name: "numa_control",
    authors: ["The Tackle developers"],
    description: "Switches NUMA balancing for tasks and cgroups, and keeps preferred nodes",
    license: "GPL",
}

/// The longest line, in bytes: a path and a few words.
pub(crate) const LINE_LEN: usize = 4200;

/// State that the debugfs files change and the hooks read.
#[pin_data]
struct State {
    #[pin]
    rules: Rules,
    #[pin]
    preferred: Preferred,
    #[pin]
    refusal: LastError,
}

impl State {
    fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            rules <- Rules::new(),
            preferred <- Preferred::new(),
            refusal <- LastError::new(),
        })
    }
}

/// Applies the rules and the preferred nodes to the overridden functions.
struct StateController(Arc<State>);

impl Controller for StateController {
    fn may_scan(&self, call: &Call) -> bool {
        self.0.rules.is_on(call)
    }

    fn may_prefer(&self, task: Task<'_>, node: Option<usize>) -> bool {
        let kept = self.0.preferred.of(task.address());
        kept.is_none_or(|kept| node == Some(kept))
    }
}

/// Removes the rule and the preferred node of a thread that has ended.
struct ExitObserver(Arc<State>);

impl Observer for ExitObserver {
    fn exit(&self, exit: &Exit<'_>) {
        if exit.has_ended() {
            let task = exit.task().address();
            self.0.rules.forget(task);
            self.0.preferred.forget(task);
        }
    }
}

struct NumaControl {
    // Dropped in this order.
    _files: Pin<KBox<Scope<Arc<State>>>>,
    _control: Control<StateController>,
    _ends: Registration<ExitObserver>,
}

impl kernel::Module for NumaControl {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let state = Arc::pin_init(State::new(), GFP_KERNEL)?;
        let ends = Registration::new(ExitObserver(state.clone()), Events::EXIT)?;
        let control = Control::new(StateController(state.clone()))?;
        let root = debugfs::root()?;
        let files = root.scope(state, c"numa_control", |state, dir| {
            dir.read_write_callback_file(
                c"switch",
                state,
                &|state, f| state.rules.show(f),
                &|state, line| state.refusal.note(state.rules.change(line)),
            );
            dir.read_write_callback_file(
                c"prefer",
                state,
                &|state, f| state.preferred.show(f),
                &|state, line| state.refusal.note(state.preferred.change(line)),
            );
            dir.read_callback_file(c"error", state, &|state, f| state.refusal.show(f));
        });
        Ok(Self {
            _files: KBox::pin_init(files, GFP_KERNEL)?,
            _control: control,
            _ends: ends,
        })
    }
}
