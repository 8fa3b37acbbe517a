// SPDX-License-Identifier: GPL-2.0

//! The task that runs on this CPU, for hooks.
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

/// Returns the current task's ID in the initial namespace; 0 for an idle CPU's.
///
/// # Context
///
/// Any. In an interrupt the current task is the one that was interrupted.
#[inline]
pub fn pid() -> i32 {
    // SAFETY: `current` is valid in every context and does not go away while this runs on
    // its CPU. The ID changes only when the task itself makes another thread's its own.
    unsafe { (&raw const (*Task::current_raw()).pid).read_volatile() }
}

/// Returns the ID of the current task's process, else as [`pid`].
#[inline]
pub fn tgid() -> i32 {
    // SAFETY: As in `pid`.
    unsafe { (&raw const (*Task::current_raw()).tgid).read_volatile() }
}

/// Returns the number of the CPU that this runs on; the task may go on on another one where
/// preemption is not disabled.
///
/// # Context
///
/// Any.
#[inline]
pub fn cpu() -> u32 {
    kernel::cpu::CpuId::current().as_u32()
}

/// Returns who the current task is, by its ids in the initial namespace.
///
/// # Context
///
/// Any. In an interrupt the current task is the one that was interrupted, and an idle CPU's
/// has the pid 0. The name can be half an old and half a new one when somebody changes it
/// meanwhile.
#[inline]
pub fn current() -> TaskId {
    // SAFETY: `current` is valid in every context and does not go away while this runs on its
    // CPU. An interrupt may see some of its fields changed and others not, as in C.
    unsafe { id(Task::current_raw()) }
}

/// Finds a task by its ID in the initial namespace.
///
/// # Context
///
/// Any but an NMI.
#[cfg(all(CONFIG_DYNAMIC_FTRACE_WITH_ARGS, CONFIG_KPROBES))]
pub fn find(pid: i32) -> Option<ARef<Task>> {
    // SAFETY: Takes any number.
    let task = unsafe { bindings::get_task_by_pid(pid) };
    let task = NonNull::new(task.cast::<Task>())?;
    // SAFETY: The helper has taken a reference, which is now this one's.
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

/// Returns who `task` is.
///
/// # Safety
///
/// It is valid.
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
        // SAFETY: `i` is within the array. Others may write to it (`__set_task_comm()`),
        // without a lock; a byte that is read volatile is the old or the new one.
        *byte = unsafe { ptr::read_volatile(name.add(i)) };
    }
    TaskId {
        pid,
        tgid,
        comm,
        start,
    }
}
