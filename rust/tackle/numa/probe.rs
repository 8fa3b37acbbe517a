// SPDX-License-Identifier: GPL-2.0

//! Implements probes of tracepoints, for the events that the kernel reports with a tracepoint.
//!
//! The library registers an empty C function as the probe (`rust/helpers/numa-probes.c`) and hooks
//! that function with ftrace. So these events use the same hooks as all other events, with the same
//! rules for recursion and unload.
//!
//! C header: [`include/linux/tracepoint.h`](srctree/include/linux/tracepoint.h)

use crate::{bindings, library};
use core::ptr::{self, NonNull};
use kernel::{
    error::to_result,
    ffi::{c_int, c_void},
    prelude::*,
};

extern "C" {
    /// See `rust/helpers/numa-probes.c`.
    fn tackle_numa_skip_probe(data: *mut c_void, mm: *mut c_void, vma: *mut c_void, reason: c_int);
    /// See `rust/helpers/numa-probes.c`.
    fn tackle_numa_waking_probe(data: *mut c_void, wakee: *mut c_void);
}

/// A tracepoint with a probe of the library.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    /// `sched_skip_vma_numa`
    Skip,
    /// `sched_waking`
    Waking,
}

impl Point {
    /// Returns the name of the tracepoint.
    pub(super) const fn name(self) -> &'static CStr {
        match self {
            Self::Skip => c"sched_skip_vma_numa",
            Self::Waking => c"sched_waking",
        }
    }

    /// Returns the name of the probe.
    pub(super) const fn probe_name(self) -> &'static CStr {
        match self {
            Self::Skip => c"tackle_numa_skip_probe",
            Self::Waking => c"tackle_numa_waking_probe",
        }
    }

    /// Returns the address of the probe, for the hook on it.
    pub(super) fn probe(self) -> usize {
        self.as_ptr().addr()
    }

    fn as_ptr(self) -> *mut c_void {
        match self {
            Self::Skip => tackle_numa_skip_probe as *mut c_void,
            Self::Waking => tackle_numa_waking_probe as *mut c_void,
        }
    }
}

kernel::sync::global_lock! {
    // SAFETY: `Library::new` initialises it. `library::ready` fails before that.
    unsafe(uninit) static PROBES: Mutex<All> = All(KVec::new());
}

/// The `data` pointers of all registrations of the probes.
struct All(KVec<(Point, *mut c_void)>);

// SAFETY: The pointers are only compared, and not dereferenced.
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

/// The registration of a probe for an observer.
///
/// # Invariants
///
/// The probe of the tracepoint is registered with this `data`, and [`PROBES`] contains the pair.
pub(super) struct Probe(Point, *mut c_void);

// SAFETY: Any thread may unregister the probe. The pointer is only compared, and not dereferenced.
unsafe impl Send for Probe {}
// SAFETY: A shared reference gives access to nothing.
unsafe impl Sync for Probe {}

impl Probe {
    /// Registers the probe of `point` with `data`, which no other registration of the probe has.
    ///
    /// # Errors
    ///
    /// - `ENOENT`: the kernel lacks the tracepoint.
    /// - `ENOMEM`: there is no memory for the registration.
    /// - `ENODEV`: the library is not loaded.
    pub(super) fn new(point: Point, data: *mut c_void) -> Result<Self> {
        library::ready()?;
        let tracepoint = find(point)?;
        let probes = &mut PROBES.lock().0;
        probes.push((point, data), GFP_KERNEL)?;
        // SAFETY: The probe has the parameters of the tracepoint, after `data`: `struct mm_struct
        // *`, `struct vm_area_struct *` and `enum numa_vmaskip_reason` of `sched_skip_vma_numa`,
        // `struct task_struct *` of `sched_waking`. The probe is a function of the library. It is
        // unregistered before the library is freed, in `Probe::drop` or at the latest in
        // `Probes::drop`.
        let registered = to_result(unsafe {
            bindings::tracepoint_probe_register(tracepoint.as_ptr(), point.as_ptr(), data)
        });
        if registered.is_err() {
            probes.retain(|other| *other != (point, data));
        }
        // INVARIANT: The probe was registered just now, and the pair was added to `PROBES`.
        registered.map(|()| Self(point, data))
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let probes = &mut PROBES.lock().0;
        probes.retain(|other| *other != (self.0, self.1));
        if probes.is_empty() {
            // A static is not dropped: free its memory here.
            *probes = KVec::new();
        }
        // SAFETY: By the type invariants.
        unsafe { unregister(self.0, self.1) };
    }
}

/// When the library is unloaded, unregisters the probes whose [`Probe`] was never dropped.
pub(crate) struct Probes;

impl Drop for Probes {
    fn drop(&mut self) {
        let probes = &mut PROBES.lock().0;
        for &(point, data) in probes.iter() {
            // SAFETY: The pair belongs to a `Probe` that was never dropped. So it is registered, by
            // the invariants of that `Probe`.
            unsafe { unregister(point, data) };
        }
        *probes = KVec::new();
    }
}

/// Unregisters the probe of `point`, and waits until no CPU executes it.
///
/// # Safety
///
/// The probe is registered with `data`.
unsafe fn unregister(point: Point, data: *mut c_void) {
    let Ok(tracepoint) = find(point) else {
        return;
    };
    // SAFETY: By the function's requirements.
    unsafe {
        bindings::tracepoint_probe_unregister(tracepoint.as_ptr(), point.as_ptr(), data);
        bindings::tracepoint_synchronize_unregister();
    }
}

/// Finds a tracepoint that is built into the kernel, not one of a module.
fn find(point: Point) -> Result<NonNull<bindings::tracepoint>> {
    struct Search {
        name: &'static CStr,
        found: *mut bindings::tracepoint,
    }

    /// # Safety
    ///
    /// `data` is a [`Search`].
    unsafe extern "C" fn visit(tracepoint: *mut bindings::tracepoint, data: *mut c_void) {
        // SAFETY: By the function's requirements.
        let search = unsafe { &mut *data.cast::<Search>() };
        // SAFETY: A tracepoint has a name, which ends with a NUL.
        if unsafe { CStr::from_char_ptr((*tracepoint).name) } == search.name {
            search.found = tracepoint;
        }
    }

    let mut search = Search {
        name: point.name(),
        found: ptr::null_mut(),
    };
    // SAFETY: `visit` gets a `Search`, which outlives the call.
    unsafe { bindings::for_each_kernel_tracepoint(Some(visit), (&raw mut search).cast()) };
    NonNull::new(search.found).ok_or(ENOENT)
}
