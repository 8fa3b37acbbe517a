// SPDX-License-Identifier: GPL-2.0

//! Fault injection: error paths made reachable, one fault at a time.
//!
//! The library has one fault attribute, `/sys/kernel/debug/tackle/fail_setup`. Its files
//! have the names, the formats and the defaults that `lib/fault-inject.c` gives each of the
//! kernel's (`Documentation/fault-injection/fault-injection.rst` of the kernel), on kernels
//! too that are built without it. Where the library or a module calls into the kernel and
//! this could fail, it passes a [`Point`] first:
//!
//! ```sh
//! cd /sys/kernel/debug/tackle/fail_setup
//! echo 1 > times; echo 2 > space; echo 100 > probability
//! insmod sch_rcodel.ko    # the second point that it passes fails, the others do not
//! cat points              # NAME ERRNO PASSED FAILED
//! ```
//!
//! Other than in the kernel, `verbose_ratelimit_interval_ms` is in milliseconds, as its name
//! and the documentation say. The stack-trace filter and `fail_nth` are left out: they need
//! what only a kernel with `CONFIG_FAULT_INJECTION` has. So does `task-filter` to match a
//! task: without it, no task ever fails while the filter is on.

mod files;
mod log;
mod random;

use crate::bindings;
use core::sync::atomic::Ordering;
use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};
use tackle_core::fault::Attr;

pub(crate) use files::Files;

/// The attribute's name: its directory's, and what the log calls it.
const NAME: &CStr = c"fail_setup";

pub(crate) static ATTR: Attr = Attr::new();

/// A place that can be made to fail.
///
/// The library's points are the statics of this module; the file `points` lists them. Those of
/// `tackle_ftrace.ko` are here, too: they count when that module fails to load.
pub struct Point {
    name: &'static str,
    error: Error,
    passed: Atomic<u64>,
    failed: Atomic<u64>,
}

impl Point {
    const fn new(name: &'static str, error: Error) -> Self {
        Self {
            name,
            error,
            passed: Atomic::new(0),
            failed: Atomic::new(0),
        }
    }

    /// Passes the point: fails if the attribute says so, and tells the log.
    ///
    /// The call comes before what it stands for, which is left out when it fails.
    ///
    /// While the attribute's probability is 0, this is a load and a comparison, and the
    /// point does not count.
    ///
    /// # Errors
    ///
    /// The one error of this point.
    ///
    /// # Context
    ///
    /// Any, NMIs included. Takes no lock.
    #[inline]
    pub fn check(&self) -> Result {
        if ATTR.probability.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        self.decide()
    }

    /// How often the point was passed, and how often it failed.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.passed.load(Relaxed), self.failed.load(Relaxed))
    }

    #[cold]
    fn decide(&self) -> Result {
        self.passed.fetch_add(1, Relaxed);
        // SAFETY: Looks at the current task and context only.
        let task_fails = unsafe { bindings::fail_task() };
        let Some(failure) = ATTR.should_fail(1, task_fails, random::below_100) else {
            return Ok(());
        };
        self.failed.fetch_add(1, Relaxed);
        log::failure(self.name, &failure);
        Err(self.error)
    }
}

/// Memory for the ops of a qdisc's kind.
pub static QDISC_OPS_ALLOC: Point = Point::new("qdisc_ops_alloc", ENOMEM);
/// `register_qdisc()`, as if the kind were there already.
pub static REGISTER_QDISC: Point = Point::new("register_qdisc", EEXIST);
/// The options that a qdisc is made with.
pub static QDISC_INIT_OPTIONS: Point = Point::new("qdisc_init_options", EINVAL);
/// The private data of a qdisc that is being made.
pub static QDISC_INIT_DATA: Point = Point::new("qdisc_init_data", ENOMEM);
/// The options that a qdisc is changed to.
pub static QDISC_CHANGE_OPTIONS: Point = Point::new("qdisc_change_options", EINVAL);
/// Memory for the flows of a qdisc.
pub static QDISC_FLOWS_ALLOC: Point = Point::new("qdisc_flows_alloc", ENOMEM);
/// Memory for the backlogs of the flows of a qdisc.
pub static QDISC_BACKLOGS_ALLOC: Point = Point::new("qdisc_backlogs_alloc", ENOMEM);
/// Memory for the histogram of a qdisc's sojourn times.
pub static QDISC_HISTOGRAM_ALLOC: Point = Point::new("qdisc_histogram_alloc", ENOMEM);
/// `tcf_block_get()`.
pub static TCF_BLOCK_GET: Point = Point::new("tcf_block_get", ENOMEM);
/// `register_kprobe()`, by which `tackle_ftrace.ko` finds functions of the kernel when it is loaded.
pub static REGISTER_KPROBE: Point = Point::new("register_kprobe", ENOMEM);
/// Memory for the look-up of a symbol.
pub static SYMBOL_LOOKUP: Point = Point::new("symbol_lookup", ENOMEM);
/// `alloc_percpu()`.
pub static ALLOC_PERCPU: Point = Point::new("alloc_percpu", ENOMEM);
/// Memory for what the hooks on a function share.
pub static FTRACE_SITE_ALLOC: Point = Point::new("ftrace_site_alloc", ENOMEM);
/// `ftrace_set_filter_ip()`.
pub static FTRACE_SET_FILTER: Point = Point::new("ftrace_set_filter", ENOMEM);
/// `register_ftrace_function()`.
pub static REGISTER_FTRACE_FUNCTION: Point = Point::new("register_ftrace_function", ENOMEM);
/// `register_ftrace_direct()`.
pub static REGISTER_FTRACE_DIRECT: Point = Point::new("register_ftrace_direct", ENOMEM);
/// `register_fprobe_ips()`.
pub static REGISTER_FPROBE: Point = Point::new("register_fprobe", ENOMEM);
/// `register_module_notifier()`.
pub static REGISTER_MODULE_NOTIFIER: Point = Point::new("register_module_notifier", ENOMEM);
/// `kthread_run()`.
pub static KTHREAD_RUN: Point = Point::new("kthread_run", ENOMEM);
/// `klp_enable_patch()`.
pub static KLP_ENABLE_PATCH: Point = Point::new("klp_enable_patch", ENOMEM);
/// The entry of a shadow variable in the list of those of its id, as if it were taken.
pub static KLP_SHADOW_REGISTER: Point = Point::new("klp_shadow_register", EEXIST);
/// Memory for a shadow variable.
pub static KLP_SHADOW_ALLOC: Point = Point::new("klp_shadow_alloc", ENOMEM);

/// All of the above.
static POINTS: &[&Point] = &[
    &QDISC_OPS_ALLOC,
    &REGISTER_QDISC,
    &QDISC_INIT_OPTIONS,
    &QDISC_INIT_DATA,
    &QDISC_CHANGE_OPTIONS,
    &QDISC_FLOWS_ALLOC,
    &QDISC_BACKLOGS_ALLOC,
    &QDISC_HISTOGRAM_ALLOC,
    &TCF_BLOCK_GET,
    &REGISTER_KPROBE,
    &SYMBOL_LOOKUP,
    &ALLOC_PERCPU,
    &FTRACE_SITE_ALLOC,
    &FTRACE_SET_FILTER,
    &REGISTER_FTRACE_FUNCTION,
    &REGISTER_FTRACE_DIRECT,
    &REGISTER_FPROBE,
    &REGISTER_MODULE_NOTIFIER,
    &KTHREAD_RUN,
    &KLP_ENABLE_PATCH,
    &KLP_SHADOW_REGISTER,
    &KLP_SHADOW_ALLOC,
];
