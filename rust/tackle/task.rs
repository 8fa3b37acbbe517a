// SPDX-License-Identifier: GPL-2.0

//! Implements access to the current task and to other tasks, for hooks.
//!
//! C header: [`include/linux/sched.h`](srctree/include/linux/sched.h)

#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
use crate::bindings;
use core::ptr;
#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
use core::ptr::NonNull;
#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
use kernel::sync::aref::ARef;
use kernel::{bindings::task_struct, task::Task};
use tackle_core::numa::{TaskId, COMM_LEN};

/// Returns the current task's ID in the initial namespace; 0 for the idle task of a CPU.
///
/// # Context
///
/// Any. In an interrupt the current task is the one that was interrupted.
#[inline]
pub fn pid() -> i32 {
    // SAFETY: `current` is valid in every context, and is not freed while this runs in it. The ID
    // changes only when the task itself takes over the ID of another thread.
    unsafe { (&raw const (*Task::current_raw()).pid).read_volatile() }
}

/// Returns the ID of the current task's process. The rest is as for [`pid`].
#[inline]
pub fn tgid() -> i32 {
    // SAFETY: As in `pid`.
    unsafe { (&raw const (*Task::current_raw()).tgid).read_volatile() }
}

/// Returns the number of the CPU that this runs on. If preemption is not disabled, the task may be
/// moved to another CPU at any time.
///
/// # Context
///
/// Any.
#[inline]
pub fn cpu() -> u32 {
    kernel::cpu::CpuId::current().as_u32()
}

/// Returns the identity of the current task, with its IDs in the initial namespace.
///
/// # Context
///
/// Any. In an interrupt the current task is the one that was interrupted. The idle task of a CPU
/// has the pid 0. If the name is changed during the call, the result can be a mix of the old and
/// the new name.
#[inline]
pub fn current() -> TaskId {
    // SAFETY: `current` is valid in every context, and is not freed while this runs in it. In an
    // interrupt some fields may be changed already and others not, as in C.
    unsafe { id(Task::current_raw()) }
}

/// Finds a task by its ID in the initial namespace.
///
/// # Context
///
/// Any but an NMI.
#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
pub fn find(pid: i32) -> Option<ARef<Task>> {
    // SAFETY: Any number is a valid argument.
    let task = unsafe { bindings::get_task_by_pid(pid) };
    let task = NonNull::new(task.cast::<Task>())?;
    // SAFETY: The helper has taken a reference, which the `ARef` takes over.
    Some(unsafe { ARef::from_raw(task) })
}

/// Returns the address of a task as a number, as
/// [`EndingTask::address`](crate::numa::EndingTask::address) does.
pub fn address(task: &Task) -> usize {
    task.as_ptr().addr()
}

/// Returns the address of the current task as a number.
///
/// # Context
///
/// Any.
#[inline]
pub fn current_address() -> usize {
    Task::current_raw().addr()
}

/// Returns the identity of `task`.
///
/// # Safety
///
/// `task` is valid.
#[inline]
pub(crate) unsafe fn id(task: *mut task_struct) -> TaskId {
    const { assert!(COMM_LEN == kernel::bindings::TASK_COMM_LEN as usize) };
    // SAFETY: By the function's requirements.
    let (pid, tgid, start) = unsafe {
        (
            (&raw const (*task).pid).read_volatile(),
            (&raw const (*task).tgid).read_volatile(),
            (&raw const (*task).start_boottime).read_volatile(),
        )
    };
    // SAFETY: As above; only the address is taken.
    let name = unsafe { &raw const (*task).comm }.cast::<u8>();
    let mut comm = [0; COMM_LEN];
    for (i, byte) in comm.iter_mut().enumerate() {
        // SAFETY: `i` is within the array. Another CPU may write to it at the same time without a
        // lock (`__set_task_comm()`). A volatile read of a byte returns the old or the new one.
        *byte = unsafe { ptr::read_volatile(name.add(i)) };
    }
    TaskId {
        pid,
        tgid,
        comm,
        start,
    }
}
