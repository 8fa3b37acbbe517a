// SPDX-License-Identifier: GPL-2.0

//! Functions that no header declares, with the prototypes that their C files give them.

use super::{Function, KeepsArguments, Replaceable};
use kernel::{
    bindings::{callback_head, pt_regs, seq_file, task_struct},
    ffi::{c_int, c_long, c_void},
    prelude::*,
};

/// `cmdline_proc_show()` in `fs/proc/cmdline.c`, which prints `/proc/cmdline`.
pub struct CmdlineProcShow;

// SAFETY: `static int cmdline_proc_show(struct seq_file *m, void *v)`.
unsafe impl Function for CmdlineProcShow {
    type Prototype = unsafe extern "C" fn(*mut seq_file, *mut c_void) -> c_int;
    const NAME: &'static CStr = c"cmdline_proc_show";
}

// SAFETY: It prints to a file, and nobody relies on what is printed. `seq_read_iter()` and
// `traverse()` in `fs/seq_file.c` take any result.
unsafe impl Replaceable for CmdlineProcShow {}

// SAFETY: It prints to the file, whose owner is `seq_read_iter()`; the other argument is none.
unsafe impl KeepsArguments for CmdlineProcShow {}

/// `meminfo_proc_show()` in `fs/proc/meminfo.c`, which prints `/proc/meminfo`.
pub struct MeminfoProcShow;

// SAFETY: `static int meminfo_proc_show(struct seq_file *m, void *v)`.
unsafe impl Function for MeminfoProcShow {
    type Prototype = unsafe extern "C" fn(*mut seq_file, *mut c_void) -> c_int;
    const NAME: &'static CStr = c"meminfo_proc_show";
}

// SAFETY: It prints to a file, and nobody relies on what is printed. `seq_read_iter()` and
// `traverse()` in `fs/seq_file.c` take any result.
unsafe impl Replaceable for MeminfoProcShow {}

// SAFETY: It prints to the file, whose owner is `seq_read_iter()`; the other argument is none.
unsafe impl KeepsArguments for MeminfoProcShow {}

/// The system call `getpid()` as programs of 64 bits make it, in `kernel/sys.c`.
pub struct Getpid;

// SAFETY: Made by `SYSCALL_DEFINE0(getpid)`, which is
// `long __x64_sys_getpid(const struct pt_regs *)` (`asm/syscall_wrapper.h`).
unsafe impl Function for Getpid {
    type Prototype = unsafe extern "C" fn(*const pt_regs) -> c_long;
    const NAME: &'static CStr = c"__x64_sys_getpid";
}

// SAFETY: It changes nothing, and its result goes to user space.
unsafe impl Replaceable for Getpid {}

/// The system call `getsid()` as programs of 64 bits make it, in `kernel/sys.c`.
pub struct Getsid;

// SAFETY: Made by `SYSCALL_DEFINE1(getsid, pid_t, pid)`; else as above.
unsafe impl Function for Getsid {
    type Prototype = unsafe extern "C" fn(*const pt_regs) -> c_long;
    const NAME: &'static CStr = c"__x64_sys_getsid";
}

// SAFETY: It changes nothing, and its result goes to user space.
unsafe impl Replaceable for Getsid {}

/// `task_numa_work()` in `kernel/sched/fair.c`, which scans the address space of the current task
/// for automatic NUMA balancing.
pub struct TaskNumaWork;

// SAFETY: `static void task_numa_work(struct callback_head *work)`.
unsafe impl Function for TaskNumaWork {
    type Prototype = unsafe extern "C" fn(*mut callback_head);
    const NAME: &'static CStr = c"task_numa_work";
}

// SAFETY: It makes page table entries fault, and nobody relies on that. If it is left out,
// `task_tick_numa()` sees by the list entry of the work that it is not to be queued again, and does
// not use it otherwise.
unsafe impl Replaceable for TaskNumaWork {}

// SAFETY: The work is part of the current task.
unsafe impl KeepsArguments for TaskNumaWork {}

/// `sched_setnuma()` in `kernel/sched/core.c`, which sets the preferred node of a task.
pub struct SchedSetnuma;

// SAFETY: `void sched_setnuma(struct task_struct *p, int nid)`, of `kernel/sched/sched.h`.
unsafe impl Function for SchedSetnuma {
    type Prototype = unsafe extern "C" fn(*mut task_struct, c_int);
    const NAME: &'static CStr = c"sched_setnuma";
}

// SAFETY: It sets a number, and its callers do not read it back.
unsafe impl Replaceable for SchedSetnuma {}

// SAFETY: Its callers have a reference to the task.
unsafe impl KeepsArguments for SchedSetnuma {}
