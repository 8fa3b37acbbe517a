// SPDX-License-Identifier: GPL-2.0

//! Implements [`Function`] for kernel functions that no header declares, with the prototypes from
//! their C files.

use super::{Function, KeepsArguments, Replaceable};
use kernel::{
    bindings::{pt_regs, seq_file},
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

// SAFETY: The function prints to a file, and no kernel code relies on the text. Its callers
// `seq_read_iter()` and `traverse()` in `fs/seq_file.c` accept any result.
unsafe impl Replaceable for CmdlineProcShow {}

// SAFETY: The function prints to the file, which its caller `seq_read_iter()` owns. The other
// argument is no pointer to an object.
unsafe impl KeepsArguments for CmdlineProcShow {}

/// `meminfo_proc_show()` in `fs/proc/meminfo.c`, which prints `/proc/meminfo`.
pub struct MeminfoProcShow;

// SAFETY: `static int meminfo_proc_show(struct seq_file *m, void *v)`.
unsafe impl Function for MeminfoProcShow {
    type Prototype = unsafe extern "C" fn(*mut seq_file, *mut c_void) -> c_int;
    const NAME: &'static CStr = c"meminfo_proc_show";
}

// SAFETY: The function prints to a file, and no kernel code relies on the text. Its callers
// `seq_read_iter()` and `traverse()` in `fs/seq_file.c` accept any result.
unsafe impl Replaceable for MeminfoProcShow {}

// SAFETY: The function prints to the file, which its caller `seq_read_iter()` owns. The other
// argument is no pointer to an object.
unsafe impl KeepsArguments for MeminfoProcShow {}

/// The system call `getpid()` as programs of 64 bits make it, in `kernel/sys.c`.
pub struct Getpid;

// SAFETY: `SYSCALL_DEFINE0(getpid)` defines the function as
// `long __x64_sys_getpid(const struct pt_regs *)` (`asm/syscall_wrapper.h`).
unsafe impl Function for Getpid {
    type Prototype = unsafe extern "C" fn(*const pt_regs) -> c_long;
    const NAME: &'static CStr = c"__x64_sys_getpid";
}

// SAFETY: The function changes nothing, and its result is only returned to user space.
unsafe impl Replaceable for Getpid {}

/// The system call `getsid()` as programs of 64 bits make it, in `kernel/sys.c`.
pub struct Getsid;

// SAFETY: `SYSCALL_DEFINE1(getsid, pid_t, pid)` defines the function as
// `long __x64_sys_getsid(const struct pt_regs *)` (`asm/syscall_wrapper.h`).
unsafe impl Function for Getsid {
    type Prototype = unsafe extern "C" fn(*const pt_regs) -> c_long;
    const NAME: &'static CStr = c"__x64_sys_getsid";
}

// SAFETY: The function changes nothing, and its result is only returned to user space.
unsafe impl Replaceable for Getsid {}
