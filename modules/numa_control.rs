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
//! Of the rules that a task matches the most special counts: `pid` before `tgid` before `cgroup`
//! (the deepest first) before `all`. A process's rule holds for its threads and for the processes
//! that descend from it. `clear` removes a rule, as does `on` if no wider rule says `off`.
//!
//! A task whose balancing is off is not scanned: `task_numa_work()` is skipped. Page table entries
//! that were made to fault before fault once more.
//!
//! When the module is unloaded, the kernel balances all tasks as before.

#![forbid(unsafe_code)]

#[path = "numa_control/line.rs"]
mod line;
#[path = "numa_control/prefer.rs"]
mod prefer;
#[path = "numa_control/rules.rs"]
mod rules;

use kernel::{prelude::*, sync::Arc};
use line::Refusal;
use prefer::Preferred;
use rules::Rules;
use tackle::{
    debugfs::{self, Scope},
    ftrace::OverrideHook,
    function::targets::{SchedSetnuma, TaskNumaWork},
    numa::{Events, Exit, Observer, Registration},
};

tackle::module! {
    type: NumaControl,
    name: "numa_control",
    authors: ["The Tackle developers"],
    description: "Switches NUMA balancing for tasks and cgroups, and keeps preferred nodes",
    license: "GPL",
}

/// What the files change and the hooks look at.
#[pin_data]
pub(crate) struct Control {
    #[pin]
    rules: Rules,
    #[pin]
    preferred: Preferred,
    #[pin]
    refusal: Refusal,
}

/// Forgets what was said about a thread when it has ended.
struct Ends(Arc<Control>);

impl Observer for Ends {
    fn exit(&self, exit: &Exit<'_>) {
        if exit.has_ended() {
            let task = exit.task().id();
            self.0.rules.forget(&task);
            self.0.preferred.forget(&task);
        }
    }
}

impl Control {
    fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            rules <- Rules::new(),
            preferred <- Preferred::new(),
            refusal <- Refusal::new(),
        })
    }
}

struct NumaControl {
    // Dropped in this order.
    _files: Pin<KBox<Scope<Arc<Control>>>>,
    _scans: Pin<KBox<OverrideHook<TaskNumaWork, rules::Scans>>>,
    _preferences: Pin<KBox<OverrideHook<SchedSetnuma, prefer::Preferences>>>,
    _ends: Registration<Ends>,
}

impl kernel::Module for NumaControl {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let control = Arc::pin_init(Control::new(), GFP_KERNEL)?;
        let ends = Registration::new(Ends(control.clone()), Events::EXIT)?;
        let scans = OverrideHook::new(rules::Scans(control.clone()));
        let preferences = OverrideHook::new(prefer::Preferences(control.clone()));
        let (scans, preferences) = (
            KBox::pin_init(scans, GFP_KERNEL)?,
            KBox::pin_init(preferences, GFP_KERNEL)?,
        );
        let root = debugfs::root()?;
        let files = root.scope(control, c"numa_control", |control, dir| {
            dir.read_write_callback_file(
                c"switch",
                control,
                &|control, f| control.rules.show(f),
                &|control, line| control.refusal.note(control.rules.change(line)),
            );
            dir.read_write_callback_file(
                c"prefer",
                control,
                &|control, f| control.preferred.show(f),
                &|control, line| control.refusal.note(control.preferred.change(line)),
            );
            dir.read_callback_file(c"error", control, &|control, f| control.refusal.show(f));
        });
        Ok(Self {
            _files: KBox::pin_init(files, GFP_KERNEL)?,
            _scans: scans,
            _preferences: preferences,
            _ends: ends,
        })
    }
}
