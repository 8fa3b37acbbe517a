// SPDX-License-Identifier: GPL-2.0

//! Implements [`Task`] and [`EndingTask`], by which observers and policies read a task's state.
//!
//! C header: [`include/linux/sched.h`](srctree/include/linux/sched.h)

use super::node::{index, nodes};
use crate::{bindings, symbol::Unexported, task};
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{
    bindings::{task_struct, SCHED_BATCH, SCHED_IDLE, SCHED_NORMAL},
    ffi::c_void,
    prelude::*,
    sync::aref::ARef,
};
use tackle_core::numa::TaskId;

/// `pid_t task_numa_group_id(struct task_struct *p)`
static GROUP_ID: Unexported = Unexported::new(c"task_numa_group_id");

/// A task in an event. The task has not been freed, but may have ended.
///
/// # Invariants
///
/// The task and the memory of its NUMA statistics are valid during `'a`.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct EndingTask<'a>(NonNull<task_struct>, PhantomData<&'a task_struct>);

impl<'a> EndingTask<'a> {
    /// # Safety
    ///
    /// As the type's invariants.
    pub(super) unsafe fn new(task: NonNull<task_struct>) -> Self {
        // INVARIANT: By the function's requirements.
        Self(task, PhantomData)
    }

    /// Returns the task's address as a number, which identifies the task: no other task has the
    /// same address before the event [`Exit`](super::Exit) of this task, with
    /// [`Exit::has_ended`](super::Exit::has_ended). The ID of a task can change in `execve()`.
    #[inline]
    pub fn address(self) -> usize {
        self.as_ptr().addr()
    }

    pub(super) fn as_ptr(self) -> *mut task_struct {
        self.0.as_ptr()
    }

    /// Returns the task's IDs, name and start time.
    #[inline]
    pub fn id(self) -> TaskId {
        // SAFETY: By the type invariants.
        unsafe { task::id(self.as_ptr()) }
    }

    /// Returns the task's ID in the initial PID namespace.
    #[inline]
    pub fn pid(self) -> i32 {
        // SAFETY: By the type invariants.
        unsafe { (&raw const (*self.as_ptr()).pid).read_volatile() }
    }

    /// Returns the ID of the task's process in the initial PID namespace.
    #[inline]
    pub fn tgid(self) -> i32 {
        // SAFETY: By the type invariants.
        unsafe { (&raw const (*self.as_ptr()).tgid).read_volatile() }
    }

    /// Returns the task's preferred node, if it has one.
    #[inline]
    pub fn preferred_node(self) -> Option<usize> {
        // SAFETY: By the type invariants.
        index(unsafe { (&raw const (*self.as_ptr()).numa_preferred_nid).read_volatile() })
    }

    /// Returns the ID of the task's NUMA group; 0 if it has none.
    #[inline]
    pub fn group(self) -> i32 {
        // SAFETY: By the type invariants; an event is within an RCU read section.
        unsafe { group_id(self.as_ptr()) }
    }

    /// Returns the kernel's average of the private or the shared faults on `node`. The kernel
    /// halves it when a scan window closes, and then adds the window's faults.
    #[inline]
    pub fn average(self, node: usize, private: bool) -> u64 {
        self.array(0, node, private)
    }

    /// Returns the number of pages of the private or the shared faults on memory of `node` in the
    /// current scan window.
    #[inline]
    pub fn in_window(self, node: usize, private: bool) -> u64 {
        self.array(2, node, private)
    }

    /// Returns `numa_faults`; null if the task has no statistics.
    #[inline]
    pub(super) fn faults(self) -> *const usize {
        // SAFETY: By the type invariants.
        unsafe { (&raw const (*self.as_ptr()).numa_faults).read_volatile() }
    }

    /// Returns an element of `numa_faults`; 0 if there is none.
    #[inline]
    fn array(self, region: usize, node: usize, private: bool) -> u64 {
        let nodes = nodes();
        let faults = self.faults();
        if node >= nodes || faults.is_null() {
            return 0;
        }
        // The same index as `task_faults_idx()` returns.
        let element = 2 * (region * nodes + node) + usize::from(private);
        // SAFETY: By the type invariants. The array has four regions of 2 * `nodes` elements, and
        // `node` is below `nodes`.
        unsafe { faults.add(element).read_volatile() as u64 }
    }

    /// Returns whether the kernel has allocated the statistics of this task.
    #[inline]
    pub fn has_faults(self) -> bool {
        !self.faults().is_null()
    }

    /// Returns `numa_scan_seq`, the number of the scan at which the kernel last closed the task's
    /// window.
    #[inline]
    pub(super) fn scan_seq(self) -> i32 {
        // SAFETY: By the type invariants.
        unsafe { (&raw const (*self.as_ptr()).numa_scan_seq).read_volatile() }
    }
}

/// A task in an event. Its reference count is not 0, so more references can be taken.
///
/// # Invariants
///
/// Those of [`EndingTask`]. The task's reference count is not 0 during `'a`.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Task<'a>(EndingTask<'a>);

impl<'a> Task<'a> {
    /// # Safety
    ///
    /// As the type's invariants.
    #[inline]
    pub(super) unsafe fn new(task: NonNull<task_struct>) -> Self {
        // SAFETY: By the function's requirements.
        // INVARIANT: By the function's requirements.
        Self(unsafe { EndingTask::new(task) })
    }

    /// Returns the current task.
    ///
    /// # Safety
    ///
    /// `'a` ends before the task does.
    #[inline]
    pub(super) unsafe fn current() -> Self {
        // SAFETY: The current task is never null.
        let task = unsafe { NonNull::new_unchecked(kernel::task::Task::current_raw()) };
        // SAFETY: `current` is alive during `'a`. Its statistics are freed only by itself or when
        // it ends.
        unsafe { Self::new(task) }
    }

    /// Returns a reference to the task, which outlives the event.
    pub fn to_ref(self) -> ARef<kernel::task::Task> {
        // SAFETY: By the type invariants it is valid and has a reference.
        let task = unsafe { &*self.as_ptr().cast::<kernel::task::Task>() };
        task.into()
    }

    /// Returns the ID of the task's cgroup in the default hierarchy; 0 if the kernel has no
    /// cgroups.
    #[inline]
    pub fn cgroup(self) -> u64 {
        // SAFETY: By the type invariants. A task keeps its reference to its cgroups until its last
        // reference is dropped. An event is within an RCU read section.
        unsafe { bindings::task_cgroup_id(self.as_ptr()) }
    }

    /// Returns whether the task has an address space. For a kernel thread this is false, even while
    /// it uses the address space of a process.
    #[inline]
    pub fn has_mm(self) -> bool {
        // SAFETY: By the type invariants.
        unsafe { !(&raw const (*self.as_ptr()).mm).read_volatile().is_null() }
    }
}

impl Task<'_> {
    /// Returns whether the task is exiting.
    #[inline]
    pub fn is_exiting(self) -> bool {
        // SAFETY: By the type invariants.
        let flags = unsafe { (&raw const (*self.as_ptr()).flags).read_volatile() };
        flags & kernel::bindings::PF_EXITING != 0
    }
}

impl Task<'_> {
    /// Returns the node of the CPU that the task runs on, or ran on last.
    #[inline]
    pub fn node(self) -> usize {
        // SAFETY: By the type invariants.
        let node = unsafe { bindings::task_node(self.as_ptr()) };
        index(node).unwrap_or(0)
    }

    /// Returns the task's load: 1024 if the task always runs or waits for its CPU, 0 if it sleeps.
    pub fn load(self) -> u32 {
        // SAFETY: By the type invariants.
        unsafe { bindings::task_runnable_load(self.as_ptr()) }
    }

    /// Returns the CPU time that the task has used, in ms.
    #[inline]
    pub fn runtime_ms(self) -> u64 {
        // SAFETY: By the type invariants.
        let ns = unsafe { (&raw const (*self.as_ptr()).se.sum_exec_runtime).read_volatile() };
        ns / 1_000_000
    }

    /// Returns the resident pages of the task's address space, divided by the number of its
    /// process's threads; 0 if it has no address space.
    ///
    /// # Context
    ///
    /// Takes the task's `alloc_lock`, so it must not be called in a callback of balancing.
    pub fn resident_share(self) -> u64 {
        // SAFETY: By the type invariants.
        unsafe { bindings::task_rss_share(self.as_ptr()) as u64 }
    }

    /// Returns whether the kernel counts pages of hugetlbfs for the task's address space. If
    /// processes share page tables of hugetlbfs, the kernel counts a page only for the process that
    /// touched it first.
    ///
    /// # Context
    ///
    /// As [`Task::resident_share`].
    pub fn has_hugetlb(self) -> bool {
        // SAFETY: By the type invariants.
        unsafe { bindings::task_has_hugetlb(self.as_ptr()) }
    }

    /// Returns the number of threads of the task's process.
    #[inline]
    pub fn threads(self) -> u32 {
        // SAFETY: By the type invariants. A task keeps its signal struct until it is freed.
        unsafe { bindings::task_threads(self.as_ptr()) }
    }

    /// Returns whether the task has one of the policies `SCHED_NORMAL`, `SCHED_BATCH` and
    /// `SCHED_IDLE`. The kernel balances only such tasks among nodes.
    #[inline]
    pub fn is_fair(self) -> bool {
        // SAFETY: By the type invariants.
        let policy = unsafe { (&raw const (*self.as_ptr()).policy).read_volatile() };
        matches!(policy, SCHED_NORMAL | SCHED_BATCH | SCHED_IDLE)
    }

    /// Returns whether the task runs or waits for a CPU.
    #[inline]
    pub(super) fn is_runnable(self) -> bool {
        // SAFETY: By the type invariants.
        unsafe { (&raw const (*self.as_ptr()).on_rq).read_volatile() != 0 }
    }

    /// Returns whether the task may run on a CPU of `node`; false if the node has no CPU.
    #[inline]
    pub fn can_run_on(self, node: usize) -> bool {
        if node >= nodes() {
            return false;
        }
        // SAFETY: By the type invariants. The node is below `nr_node_ids`, as was checked above.
        // CAST: At most 1024.
        unsafe { bindings::task_can_run_on(self.as_ptr(), node as i32) }
    }

    /// Returns the task's scan period in ms; 0 if it has not scanned yet.
    #[inline]
    pub fn scan_period(self) -> u32 {
        // SAFETY: By the type invariants.
        unsafe { (&raw const (*self.as_ptr()).numa_scan_period).read_volatile() }
    }

    /// Sets the scan period in ms.
    ///
    /// # Safety
    ///
    /// This is the current task: only a task itself writes its period.
    pub(super) unsafe fn set_scan_period(self, period: u32) {
        // SAFETY: By the type invariants and the function's requirements.
        unsafe { (&raw mut (*self.as_ptr()).numa_scan_period).write_volatile(period) };
    }

    /// Returns the numbers of pages that the kernel has counted in the current scan window as
    /// local, as remote, and as failed migrations.
    #[inline]
    pub fn locality(self) -> Locality {
        // SAFETY: By the type invariants.
        let [remote, local, failed] =
            unsafe { (&raw const (*self.as_ptr()).numa_faults_locality).read_volatile() };
        Locality {
            local: local as u64,
            remote: remote as u64,
            failed: failed as u64,
        }
    }
}

/// Pages of the faults of a scan window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Locality {
    /// On the node of the CPU. Shared faults among the active nodes of a group count as local.
    pub local: u64,
    /// On other nodes.
    pub remote: u64,
    /// The kernel has tried to migrate these pages and failed.
    pub failed: u64,
}

/// Finds the address of `task_numa_group_id()`, which [`EndingTask::group`] calls. If the kernel
/// has no such function, this logs a warning, and all tasks appear without a group.
///
/// # Context
///
/// May sleep.
pub(super) fn find_groups() {
    if let Err(error) = GROUP_ID.find() {
        pr_warn!("numa: tasks have no groups: no task_numa_group_id ({error:?})\n");
    }
}

/// Calls `visit` with each thread of the machine, kernel threads included.
///
/// # Context
///
/// May sleep before the first call of `visit`. All calls are in one RCU read section, so `visit`
/// must not sleep.
pub fn each_task(mut visit: impl FnMut(Task<'_>)) {
    /// # Safety
    ///
    /// `data` is a closure, and `task` is valid in the RCU read section of the caller.
    unsafe extern "C" fn each<F: FnMut(Task<'_>)>(task: *mut task_struct, data: *mut c_void) {
        let Some(task) = NonNull::new(task) else {
            return;
        };
        // SAFETY: By the function's requirements.
        let visit = unsafe { &mut *data.cast::<F>() };
        // SAFETY: A task that is found in the list of tasks has a reference until one grace period
        // after its removal from the list. Its statistics are freed with the last reference.
        visit(unsafe { Task::new(task) });
    }
    fn call<F: FnMut(Task<'_>)>(visit: &mut F) {
        // SAFETY: `each` gets the closure, which outlives the call.
        unsafe { bindings::each_thread(Some(each::<F>), core::ptr::from_mut(visit).cast()) };
    }
    find_groups();
    call(&mut visit);
}

impl<'a> core::ops::Deref for Task<'a> {
    type Target = EndingTask<'a>;

    fn deref(&self) -> &EndingTask<'a> {
        &self.0
    }
}

/// Returns the ID of the task's NUMA group; 0 if it has none.
///
/// # Safety
///
/// `task` is valid.
pub(super) unsafe fn group_id(task: *mut task_struct) -> i32 {
    let Ok(function) = GROUP_ID.address() else {
        return 0;
    };
    // SAFETY: The function takes a valid task, and may be called in any context. The call needs
    // only the task's address.
    unsafe { crate::call_at::call_at(function, [task.expose_provenance(), 0, 0, 0, 0, 0]) as i32 }
}
