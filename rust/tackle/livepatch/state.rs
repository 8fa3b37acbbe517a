// SPDX-License-Identifier: GPL-2.0

//! What callbacks get to see: the object that changes, and the states of the system that
//! patches modify.
//!
//! Described in `Documentation/livepatch/system-state.rst` of the kernel.

use crate::bindings;
use core::{cell::UnsafeCell, marker::PhantomData, ptr::NonNull};
use kernel::{
    ffi::{c_uint, c_ulong},
    prelude::*,
};

/// A state that a patch modifies, as [`livepatch!`](crate::livepatch) declares it.
///
/// The core refuses a patch whose version of a state is less than that of a patch in force,
/// and one with `replace` that lacks a state of those in force.
#[derive(Clone, Copy)]
pub struct State {
    id: c_ulong,
    version: c_uint,
}

impl State {
    /// Declares the state `id`, in the form `version`.
    ///
    /// # Panics
    ///
    /// When `id` is 0; at compile time if this is evaluated then.
    pub const fn new(id: usize, version: u32) -> Self {
        assert!(id != 0, "the id of a state is not 0");
        Self { id, version }
    }
}

/// The states of a patch, as the livepatch core walks them.
///
/// # Invariants
///
/// The `id` of `end` is 0, which ends the list.
#[repr(C)]
#[doc(hidden)]
pub struct States<const N: usize> {
    states: UnsafeCell<[bindings::klp_state; N]>,
    end: UnsafeCell<bindings::klp_state>,
}

// SAFETY: They are only read, but for `data`, which callbacks use with the core's mutex held.
unsafe impl<const N: usize> Sync for States<N> {}

impl<const N: usize> States<N> {
    /// Makes the list of `list`.
    ///
    /// # Panics
    ///
    /// When evaluated, which is at compile time: a state is there twice.
    pub const fn new(list: [State; N]) -> Self {
        let mut states: [bindings::klp_state; N] = [pin_init::zeroed(); N];
        let mut i = 0;
        while i < N {
            let mut j = 0;
            while j < i {
                assert!(list[i].id != list[j].id, "a patch has each state once");
                j += 1;
            }
            states[i].id = list[i].id;
            states[i].version = list[i].version;
            i += 1;
        }
        Self {
            states: UnsafeCell::new(states),
            // INVARIANT: All zero.
            end: UnsafeCell::new(pin_init::zeroed()),
        }
    }

    /// Returns the list for the core.
    pub(super) const fn as_ptr(&'static self) -> *mut bindings::klp_state {
        // CAST: The array, or with N = 0 its end, comes first.
        core::ptr::from_ref(self).cast_mut().cast()
    }
}

/// What becomes of a module while it is patched or unpatched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleState {
    /// It is loaded, and stays so.
    Live,
    /// It is being loaded: its init function has not run.
    Coming,
    /// It is being unloaded: its exit function has run.
    Going,
}

/// The change that a callback is called for.
///
/// # Invariants
///
/// `object` is a valid object of an initialised patch; the livepatch core's mutex is held.
pub struct Transition<'a> {
    object: NonNull<bindings::klp_object>,
    _mutex: PhantomData<&'a ()>,
}

impl Transition<'_> {
    /// Makes it of what the core passes to a callback.
    ///
    /// # Safety
    ///
    /// The livepatch core has called a callback with `object`, which does not return before
    /// the lifetime ends.
    pub(super) unsafe fn from_raw(object: *mut bindings::klp_object) -> Self {
        // INVARIANT: The core calls callbacks with its mutex held.
        Self {
            // SAFETY: By the function's requirements.
            object: unsafe { NonNull::new_unchecked(object) },
            _mutex: PhantomData,
        }
    }

    /// Returns the name of the module that changes; [`None`] is vmlinux.
    pub fn module(&self) -> Option<&CStr> {
        // SAFETY: By the type invariants.
        let name = unsafe { (*self.object.as_ptr()).name };
        // SAFETY: A name that is not null is a C string, and as static as the object.
        (!name.is_null()).then(|| unsafe { CStr::from_char_ptr(name) })
    }

    /// Returns what becomes of the module that changes; [`None`] is vmlinux.
    pub fn module_state(&self) -> Option<ModuleState> {
        // SAFETY: By the type invariants.
        let module = unsafe { (*self.object.as_ptr()).mod_ };
        if module.is_null() {
            return None;
        }
        // SAFETY: The core has set it for as long as the module is loaded; with its mutex
        // held it is neither set nor cleared.
        match unsafe { (&raw const (*module).state).read_volatile() } {
            kernel::bindings::module_state_MODULE_STATE_LIVE => Some(ModuleState::Live),
            kernel::bindings::module_state_MODULE_STATE_COMING => Some(ModuleState::Coming),
            _ => Some(ModuleState::Going),
        }
    }

    /// Returns the state `id` of this patch, if it has declared that: `klp_get_state()`.
    pub fn state(&self, id: usize) -> Option<OwnState<'_>> {
        // SAFETY: By the type invariants. `klp_init_object()` has put the object's kobject
        // under the patch's.
        let patch = unsafe {
            let parent = (*self.object.as_ptr()).kobj.parent;
            kernel::container_of!(parent, bindings::klp_patch, kobj)
        };
        // SAFETY: The patch is valid.
        let state = unsafe { bindings::klp_get_state(patch, id) };
        Some(OwnState {
            state: NonNull::new(state)?,
            _mutex: PhantomData,
        })
    }

    /// Returns the state `id` of the newest patch before this one that has it:
    /// `klp_get_prev_state()`.
    ///
    /// Known in the callbacks of vmlinux: a module can come and go while no transition is
    /// going on, and the core does not tell then.
    pub fn previous_state(&self, id: usize) -> Option<PreviousState> {
        if self.module().is_some() {
            return None;
        }
        // SAFETY: vmlinux is always loaded, so that its callbacks are called in a
        // transition only, with the core's mutex held.
        let state = NonNull::new(unsafe { bindings::klp_get_prev_state(id) })?;
        // SAFETY: The patch that has it stays as long as the mutex is held.
        let state = unsafe { state.as_ref() };
        Some(PreviousState {
            version: state.version,
            // CAST: A number, see `OwnState::data`.
            data: state.data as usize,
        })
    }
}

/// A state of the patch itself.
///
/// # Invariants
///
/// `state` is valid; the livepatch core's mutex is held.
pub struct OwnState<'a> {
    state: NonNull<bindings::klp_state>,
    _mutex: PhantomData<&'a ()>,
}

impl OwnState<'_> {
    /// Returns the version.
    pub fn version(&self) -> u32 {
        // SAFETY: By the type invariants.
        unsafe { (*self.state.as_ptr()).version }
    }

    /// Returns what the patch has kept here; 0 before.
    ///
    /// It is a number to Rust patches; a patch in C that takes over from one has to know
    /// that it is not an address.
    pub fn data(&self) -> usize {
        // SAFETY: By the type invariants: only who has the mutex uses this field.
        // CAST: A number in the place of a pointer.
        unsafe { (*self.state.as_ptr()).data as usize }
    }

    /// Keeps a number here, for this patch's further callbacks and for patches after it.
    pub fn set_data(&self, data: usize) {
        // SAFETY: As in `data`.
        // CAST: As in `data`.
        unsafe { (*self.state.as_ptr()).data = data as *mut _ };
    }
}

/// A state as an older patch has it.
pub struct PreviousState {
    /// Its version there.
    pub version: u32,
    /// What that patch has kept: of one in Rust the number, of one in C an address, which
    /// only says something to another one in C.
    pub data: usize,
}
