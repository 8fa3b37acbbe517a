// SPDX-License-Identifier: GPL-2.0

//! Implements the argument of callbacks ([`Transition`]), and the states of the system that patches
//! modify ([`State`]).
//!
//! States are described in `Documentation/livepatch/system-state.rst` of the kernel.

use crate::bindings;
use core::{cell::UnsafeCell, marker::PhantomData, ptr::NonNull};
use kernel::{
    ffi::{c_uint, c_ulong},
    prelude::*,
};

/// A state that a patch modifies, as [`livepatch!`](crate::livepatch) declares it.
///
/// The core refuses a patch whose version of a state is less than that of an enabled patch. It also
/// refuses a patch with `replace` that lacks a state of an enabled patch.
#[derive(Clone, Copy)]
pub struct State {
    id: c_ulong,
    version: c_uint,
}

impl State {
    /// Declares the state `id` with this version.
    ///
    /// # Panics
    ///
    /// If `id` is 0; at compile time if this is evaluated then.
    pub const fn new(id: usize, version: u32) -> Self {
        assert!(id != 0, "the id of a state is not 0");
        Self { id, version }
    }
}

/// The states of a patch, in the layout in which the livepatch core iterates over them.
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

// SAFETY: Only the field `data` is written, by callbacks, which run with the core's mutex held. The
// other fields are only read.
unsafe impl<const N: usize> Sync for States<N> {}

impl<const N: usize> States<N> {
    /// Creates the list of the states in `list`.
    ///
    /// # Panics
    ///
    /// If a state is in `list` twice. This is evaluated at compile time.
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
            // INVARIANT: All fields are zero.
            end: UnsafeCell::new(pin_init::zeroed()),
        }
    }

    /// Returns the list for the core.
    pub(super) const fn as_ptr(&'static self) -> *mut bindings::klp_state {
        // CAST: The array is the first field. If it is empty, `end` is at the same address.
        core::ptr::from_ref(self).cast_mut().cast()
    }
}

/// The state of a module while it is patched or unpatched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleState {
    /// The module is loaded.
    Live,
    /// The module is being loaded. Its init function has not run.
    Coming,
    /// The module is being unloaded. Its exit function has run.
    Going,
}

/// The change for which a callback is called.
///
/// # Invariants
///
/// `object` is a valid object of an initialised patch, and the livepatch core's mutex is held.
pub struct Transition<'a> {
    object: NonNull<bindings::klp_object>,
    _mutex: PhantomData<&'a ()>,
}

impl Transition<'_> {
    /// Creates it from the argument of a callback.
    ///
    /// # Safety
    ///
    /// The livepatch core has called a callback with `object`, and the callback does not return
    /// before the lifetime ends.
    pub(super) unsafe fn from_raw(object: *mut bindings::klp_object) -> Self {
        // INVARIANT: The core calls callbacks with its mutex held.
        Self {
            // SAFETY: By the function's requirements.
            object: unsafe { NonNull::new_unchecked(object) },
            _mutex: PhantomData,
        }
    }

    /// Returns the name of the module that is patched or unpatched; [`None`] is vmlinux.
    pub fn module(&self) -> Option<&CStr> {
        // SAFETY: By the type invariants.
        let name = unsafe { (*self.object.as_ptr()).name };
        // SAFETY: A name that is not null is a C string, which is valid as long as the object.
        (!name.is_null()).then(|| unsafe { CStr::from_char_ptr(name) })
    }

    /// Returns the state of the module that is patched or unpatched; [`None`] is vmlinux.
    pub fn module_state(&self) -> Option<ModuleState> {
        // SAFETY: By the type invariants.
        let module = unsafe { (*self.object.as_ptr()).mod_ };
        if module.is_null() {
            return None;
        }
        // SAFETY: The core sets the pointer when the module is loaded, and clears it before the
        // module is freed. It does both with its mutex held, which is held here.
        match unsafe { (&raw const (*module).state).read_volatile() } {
            kernel::bindings::module_state_MODULE_STATE_LIVE => Some(ModuleState::Live),
            kernel::bindings::module_state_MODULE_STATE_COMING => Some(ModuleState::Coming),
            _ => Some(ModuleState::Going),
        }
    }

    /// Returns the state `id` of this patch, if the patch has declared it: `klp_get_state()`.
    pub fn state(&self, id: usize) -> Option<OwnState<'_>> {
        // SAFETY: By the type invariants. `klp_init_object()` has made the kobject of the patch the
        // parent of the object's kobject.
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
    /// This is [`None`] in the callbacks of modules. A module can be loaded and unloaded while
    /// there is no transition, and the core does not return previous states then.
    pub fn previous_state(&self, id: usize) -> Option<PreviousState> {
        if self.module().is_some() {
            return None;
        }
        // SAFETY: vmlinux is always loaded, so its callbacks are called only in a transition, with
        // the core's mutex held.
        let state = NonNull::new(unsafe { bindings::klp_get_prev_state(id) })?;
        // SAFETY: The patch that has the state is not freed while the mutex is held.
        let state = unsafe { state.as_ref() };
        Some(PreviousState {
            version: state.version,
            // CAST: A number, see `OwnState::data`.
            data: state.data as usize,
        })
    }
}

/// A state of the patch whose callback is called.
///
/// # Invariants
///
/// `state` is valid, and the livepatch core's mutex is held.
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

    /// Returns the number that [`Self::set_data`] has stored; 0 before the first call.
    ///
    /// Rust patches store a number in a field that is a pointer in C. A C patch that takes over the
    /// state from a Rust patch must not use it as an address.
    pub fn data(&self) -> usize {
        // SAFETY: By the type invariants the mutex is held, which protects this field.
        // CAST: A number in the place of a pointer.
        unsafe { (*self.state.as_ptr()).data as usize }
    }

    /// Stores a number, for further callbacks of this patch and for later patches.
    pub fn set_data(&self, data: usize) {
        // SAFETY: As in `data`.
        // CAST: As in `data`.
        unsafe { (*self.state.as_ptr()).data = data as *mut _ };
    }
}

/// A state of an older patch.
pub struct PreviousState {
    /// The version of the state in the older patch.
    pub version: u32,
    /// The data that the older patch has stored: a number if it is a Rust patch, an address if it
    /// is a C patch. Only another C patch can use the address.
    pub data: usize,
}
