// SPDX-License-Identifier: GPL-2.0

//! The event `skip`: a scan skips a VMA.
//!
//! The kernel reports this with the tracepoint `sched_skip_vma_numa`. The library registers an
//! empty C function as its probe (`rust/helpers/numa-skip.c`) and hooks that function with ftrace.
//! So the event uses the same hooks as all others, with the same rules for recursion and unload.

use super::{registration::Shared, Observer, Task};
use crate::{
    bindings,
    ftrace::{Call, EntryHandler},
    library,
};
use core::ptr::{self, NonNull};
use kernel::{
    error::to_result,
    ffi::{c_int, c_void},
    prelude::*,
    sync::Arc,
};

/// Why a scan skips a VMA: `enum numa_vmaskip_reason`. With `IgnorePid`
/// the VMA is scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum SkipReason {
    /// It cannot be migrated, its policy forbids it, or it is of hugetlbfs or `VM_MIXEDMAP`.
    Unsuitable = bindings::TACKLE_NUMA_SKIP_UNSUITABLE as i32,
    /// It maps a file read-only, or is the vDSO.
    SharedReadOnly = bindings::TACKLE_NUMA_SKIP_SHARED_RO as i32,
    /// It cannot be accessed.
    Inaccessible = bindings::TACKLE_NUMA_SKIP_INACCESSIBLE as i32,
    /// The scan delay of the VMA is not over.
    ScanDelay = bindings::TACKLE_NUMA_SKIP_SCAN_DELAY as i32,
    /// The task has not accessed it lately.
    PidInactive = bindings::TACKLE_NUMA_SKIP_PID_INACTIVE as i32,
    /// The task has not accessed it, but it is scanned since its scan had begun.
    IgnorePid = bindings::TACKLE_NUMA_SKIP_IGNORE_PID as i32,
    /// It was scanned in this round.
    SeqCompleted = bindings::TACKLE_NUMA_SKIP_SEQ_COMPLETED as i32,
}

impl SkipReason {
    /// The reasons, in the order of their numbers.
    pub const ALL: [Self; bindings::TACKLE_NUMA_SKIP_REASONS as usize] = [
        Self::Unsuitable,
        Self::SharedReadOnly,
        Self::Inaccessible,
        Self::ScanDelay,
        Self::PidInactive,
        Self::IgnorePid,
        Self::SeqCompleted,
    ];
}

const _: () = {
    assert!(bindings::numa_vmaskip_reason_NUMAB_SKIP_UNSUITABLE == 0);
    assert!(
        bindings::numa_vmaskip_reason_NUMAB_SKIP_SEQ_COMPLETED
            == bindings::TACKLE_NUMA_SKIP_SEQ_COMPLETED
    );
};

/// A VMA that is skipped.
///
/// # Context
///
/// The task holds `mmap_lock` for reading.
#[repr(C)]
pub struct Skip<'a> {
    size: usize,
    task: Task<'a>,
    start: usize,
    end: usize,
    reason: SkipReason,
}

same_layout!(Skip, tackle_numa_skip: size, task, start, end, reason);

impl<'a> Skip<'a> {
    /// Returns the current task.
    #[inline]
    pub fn task(&self) -> Task<'a> {
        self.task
    }

    /// Returns the first address of the VMA.
    #[inline]
    pub fn start(&self) -> usize {
        self.start
    }

    /// Returns the address behind the VMA.
    #[inline]
    pub fn end(&self) -> usize {
        self.end
    }

    /// Returns why it is skipped.
    #[inline]
    pub fn reason(&self) -> SkipReason {
        self.reason
    }
}

extern "C" {
    /// See `rust/helpers/numa-skip.c`.
    fn tackle_numa_skip_probe(data: *mut c_void, mm: *mut c_void, vma: *mut c_void, reason: c_int);
}

/// The hook for
/// `tackle_numa_skip_probe(void *data, struct mm_struct *mm, struct vm_area_struct *vma, int
/// reason)`.
pub(super) struct OnSkip<T>(pub(super) Arc<Shared<T>>);

impl<T: Observer> OnSkip<T> {
    /// The address of the function to hook.
    pub(super) fn function() -> usize {
        tackle_numa_skip_probe as *const () as usize
    }

    /// What the probe is registered with: each observer has a registration of its own.
    pub(super) fn data(&self) -> *mut c_void {
        Arc::as_ptr(&self.0).cast_mut().cast()
    }
}

impl<T: Observer> EntryHandler for OnSkip<T> {
    #[inline]
    fn entry(&self, call: &Call) {
        let [Some(data), Some(vma), Some(reason)] = [0, 2, 3].map(|n| call.argument(n)) else {
            return;
        };
        // CAST: An `int` is the lower 32 bits of its register.
        let reason = SkipReason::ALL.get(reason as u32 as usize);
        // For another observer.
        if data != self.data().addr() {
            return;
        }
        let (Some(observer), Some(&reason)) = (self.0.active(), reason) else {
            return;
        };
        let vma: *const kernel::bindings::vm_area_struct = ptr::with_exposed_provenance(vma);
        // SAFETY: The current task has the lock for reading of the address space that it scans.
        let (start, end) = unsafe {
            let range = &raw const (*vma).__bindgen_anon_1.__bindgen_anon_1;
            ((*range).vm_start, (*range).vm_end)
        };
        observer.skip(&Skip {
            size: size_of::<Skip<'_>>(),
            // SAFETY: The handler, and so the current task, outlives this `Task`.
            task: unsafe { Task::current() },
            start,
            end,
            reason,
        });
    }
}

kernel::sync::global_lock! {
    // SAFETY: `Library::new` initialises it. `library::ready` fails before that.
    unsafe(uninit) static PROBES: Mutex<All> = All(KVec::new());
}

/// The `data` pointers of all registrations of the probe.
struct All(KVec<*mut c_void>);

// SAFETY: They are addresses to compare.
unsafe impl Send for All {}

/// Initialises the lock of this file.
///
/// # Safety
///
/// To be called once, before [`library::ready`].
pub(crate) unsafe fn init() {
    // SAFETY: By the function's requirements.
    unsafe { PROBES.init() };
}

/// The registration of [`tackle_numa_skip_probe`] for an observer.
///
/// # Invariants
///
/// The probe is registered with this address, which is in [`PROBES`].
pub(super) struct Probe(*mut c_void);

// SAFETY: It may be unregistered by any thread; the address is there to be compared.
unsafe impl Send for Probe {}
// SAFETY: A shared reference gives access to nothing.
unsafe impl Sync for Probe {}

impl Probe {
    /// Registers the probe with an address that no other registration has.
    ///
    /// # Errors
    ///
    /// - `ENOENT`: the kernel lacks the tracepoint.
    /// - `ENOMEM`.
    /// - `ENODEV`: the library is not loaded.
    pub(super) fn new(data: *mut c_void) -> Result<Self> {
        library::ready()?;
        let tracepoint = find(c"sched_skip_vma_numa")?;
        let probes = &mut PROBES.lock().0;
        probes.push(data, GFP_KERNEL)?;
        // SAFETY: The tracepoint's probes are called with `data`, and `struct mm_struct *`,
        // `struct vm_area_struct *` and `enum numa_vmaskip_reason`. The function is part of the
        // library, which unregisters it at last in `Probes::drop`.
        let registered = to_result(unsafe {
            bindings::tracepoint_probe_register(
                tracepoint.as_ptr(),
                tackle_numa_skip_probe as *mut c_void,
                data,
            )
        });
        if registered.is_err() {
            probes.retain(|other| *other != data);
        }
        // INVARIANT: Just registered.
        registered.map(|()| Self(data))
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let probes = &mut PROBES.lock().0;
        probes.retain(|other| *other != self.0);
        if probes.is_empty() {
            // A static is not dropped: free its memory here.
            *probes = KVec::new();
        }
        // SAFETY: By the type invariants.
        unsafe { unregister(self.0) };
    }
}

/// When the library is unloaded, unregisters the probes whose [`Probe`] was never dropped.
pub(crate) struct Probes;

impl Drop for Probes {
    fn drop(&mut self) {
        let probes = &mut PROBES.lock().0;
        for &data in probes.iter() {
            // SAFETY: It is registered, by the invariant of the `Probe` that was forgotten.
            unsafe { unregister(data) };
        }
        *probes = KVec::new();
    }
}

/// Unregisters the probe, and waits until no CPU is in it.
///
/// # Safety
///
/// It is registered with `data`.
unsafe fn unregister(data: *mut c_void) {
    let Ok(tracepoint) = find(c"sched_skip_vma_numa") else {
        return;
    };
    // SAFETY: By the function's requirements.
    unsafe {
        bindings::tracepoint_probe_unregister(
            tracepoint.as_ptr(),
            tackle_numa_skip_probe as *mut c_void,
            data,
        );
        bindings::tracepoint_synchronize_unregister();
    }
}

/// Finds a tracepoint of the kernel proper.
fn find(name: &CStr) -> Result<NonNull<bindings::tracepoint>> {
    struct Search<'a> {
        name: &'a CStr,
        found: *mut bindings::tracepoint,
    }

    /// # Safety
    ///
    /// `data` is a [`Search`].
    unsafe extern "C" fn visit(tracepoint: *mut bindings::tracepoint, data: *mut c_void) {
        // SAFETY: By the function's requirements.
        let search = unsafe { &mut *data.cast::<Search<'_>>() };
        // SAFETY: A tracepoint has a name, which ends with a NUL.
        if unsafe { CStr::from_char_ptr((*tracepoint).name) } == search.name {
            search.found = tracepoint;
        }
    }

    let mut search = Search {
        name,
        found: ptr::null_mut(),
    };
    // SAFETY: `visit` gets a `Search`, which outlives the call.
    unsafe { bindings::for_each_kernel_tracepoint(Some(visit), (&raw mut search).cast()) };
    NonNull::new(search.found).ok_or(ENOENT)
}
