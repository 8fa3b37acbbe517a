// SPDX-License-Identifier: GPL-2.0

//! Defines a prelude for each kind of module: `use tackle::prelude::hook::*;`, and likewise `qdisc`
//! and `patch`.
//!
//! Each includes the kernel's prelude.

/// For modules with hooks.
#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES, CONFIG_FPROBE))]
pub mod hook {
    pub use crate::{
        debugfs::{self, Dir, Scope},
        filter::{Filter, Filtered},
        ftrace::{
            self, Arguments, Batch, Call, DirectHandler, DirectHook, EntryHandler, EntryHook,
            ExitHandler, ExitHook, HookRef, Mechanism, OverrideHandler, OverrideHook, Pattern,
            Redirect, Return, Target, Targets, TypedEntryHandler, TypedExitHandler,
        },
        function::{Original, Pointer, Returned},
        percpu::Counter,
        task, time,
    };
    pub use kernel::prelude::*;
    pub use tackle_core::hooks::{FilterSpec, Histogram, Values};
}

/// For modules with a queueing discipline.
pub mod qdisc {
    pub use crate::net::{
        netlink::{ExtAck, Nest, Nested, Policy},
        qdisc::{
            Change, Dequeue, Details, Enqueue, Outcome, Qdisc, Registration, Reset, Sch, Setup,
            UnlockedDetails, Verdict,
        },
        DropReason, SkBuff, SkbList,
    };
    pub use kernel::{prelude::*, sync::Arc};
}

/// For live patches.
#[cfg(CONFIG_LIVEPATCH)]
pub mod patch {
    pub use crate::{
        function::{Original, Pointer},
        livepatch::{self, Key, Shadow},
    };
    pub use kernel::{ffi::*, prelude::*, seq_print};
}
