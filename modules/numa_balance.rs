// SPDX-License-Identifier: GPL-2.0

//! Places tasks and their memory on NUMA nodes, by the policy of `rust/core/src/numa/policy`.
//!
//! ```sh
//! insmod numa_balance.ko
//! cd /sys/kernel/debug/tackle/numa_balance
//! cat decisions       # ms=81203 pid=12 comm=worker node=0 action=move target=1 why=follows ...
//! cat plan            # the same for each task now
//! cat reasons status
//! ```
//!
//! A kernel thread takes a snapshot of the machine each `interval_ms`, makes a plan, and sets the
//! preferred nodes that the plan changes. Then the kernel moves the tasks, after its own checks of
//! the load balance. The module itself moves tasks with pages of hugetlbfs. Between two plans,
//! hooks decide about a task whose scan window ends, and about the pages of hinting faults. With
//! `advise=1` the module makes plans and changes nothing.
//!
//! When the module is unloaded, the kernel goes on with its own rules. `Documentation/numa.rst`
//! describes the rules and the files.

#![forbid(unsafe_code)]

#[path = "numa_balance/answers.rs"]
mod answers;
#[path = "numa_balance/machine.rs"]
mod machine;
#[path = "numa_balance/plan.rs"]
mod plan;
#[path = "numa_balance/show.rs"]
mod show;
#[path = "numa_balance/state.rs"]
mod state;
#[path = "numa_balance/unmovable.rs"]
mod unmovable;

use answers::Answers;
use kernel::{prelude::*, sync::Arc};
use state::{Settings, State};
use tackle::{
    debugfs::{self, Scope},
    numa::PolicyRegistration,
    periodic::Periodic,
};
use tackle_core::numa::policy::Params;

tackle::module! {
    type: NumaBalance,
    name: "numa_balance",
    authors: ["The Tackle developers"],
    description: "A policy of automatic NUMA balancing",
    license: "GPL",
    params: {
        advise: u32 {
            default: 0,
            description: "1: plan, and change nothing. 0: apply the plan",
        },
        interval_ms: u32 {
            default: 1000,
            description: "Time between two plans in ms, 100 to 60000",
        },
        runtime_ms: u32 {
            default: 1000,
            description: "CPU time in ms after which a task is placed, 0 to 600000",
        },
        min_gain: u32 {
            default: 50,
            description: "Improvement that justifies a move, in thousandths, 1 to 1000",
        },
        settle_ms: u32 {
            default: 4000,
            description: "Time in ms during which a moved task needs a greater gain, 0 to 600000",
        },
        scan_min_ms: u32 {
            default: 1000,
            description: "Shortest scan period in ms that the policy chooses, 10 to 60000",
        },
        bound: u32 {
            default: 1,
            description: "1: scan memory that mbind() has bound, too. 0: do not",
        },
        hugetlb: u32 {
            default: 1,
            description: "1: let pages of hugetlbfs attract their task. 0: do not",
        },
        max_tasks: u32 {
            default: 1024,
            description: "Tasks in a plan, 16 to 65536",
        },
    },
}

/// Returns a parameter if it is within its bounds.
fn bounded(name: &str, value: u32, least: u32, most: u32) -> Result<u32> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    pr_err!("{name}={value}: not between {least} and {most}\n");
    Err(EINVAL)
}

/// Reads the parameters.
fn settings() -> Result<Settings> {
    use module_parameters as given;
    let params = Params {
        runtime_ms: bounded("runtime_ms", given::runtime_ms.value(), 0, 600_000)?,
        min_gain: bounded("min_gain", given::min_gain.value(), 1, 1000)?,
        settle_ms: bounded("settle_ms", given::settle_ms.value(), 0, 600_000)?,
        ..Params::DEFAULT
    };
    Ok(Settings {
        params,
        advises: bounded("advise", given::advise.value(), 0, 1)? == 1,
        interval_ms: bounded("interval_ms", given::interval_ms.value(), 100, 60_000)?,
        scan_min_ms: bounded("scan_min_ms", given::scan_min_ms.value(), 10, 60_000)?,
        sees_bound: bounded("bound", given::bound.value(), 0, 1)? == 1,
        sees_hugetlb: bounded("hugetlb", given::hugetlb.value(), 0, 1)? == 1,
        // CAST: A `usize` has 64 bits.
        max_tasks: bounded("max_tasks", given::max_tasks.value(), 16, 65_536)? as usize,
    })
}

struct NumaBalance {
    // Dropped in this order.
    _files: Pin<KBox<Scope<Arc<State>>>>,
    _thread: Periodic,
    _registration: Option<PolicyRegistration<Answers>>,
}

impl kernel::Module for NumaBalance {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let settings = settings()?;
        let advises = settings.advises;
        let state = Arc::pin_init(State::new(settings)?, GFP_KERNEL)?;
        let registration = if advises {
            None
        } else {
            let answers = Answers(state.clone());
            let registration = PolicyRegistration::new(answers).inspect_err(|&error| {
                if error == EBUSY {
                    pr_err!(
                        "another policy is registered, or one of the functions is redirected\n"
                    );
                }
            })?;
            Some(registration)
        };
        let planned = state.clone();
        let thread = Periodic::new(c"numa_balance", move || planned.step())?;
        let root = debugfs::root()?;
        let files = root.scope(state, c"numa_balance", |state, dir| {
            dir.read_callback_file(c"decisions", state, &|state, f| show::decisions(state, f));
            dir.read_callback_file(c"plan", state, &|state, f| show::plan(state, f));
            dir.read_callback_file(c"reasons", state, &|state, f| show::reasons(state, f));
            dir.read_callback_file(c"status", state, &|state, f| show::status(state, f));
        });
        Ok(Self {
            _files: KBox::pin_init(files, GFP_KERNEL)?,
            _thread: thread,
            _registration: registration,
        })
    }
}
