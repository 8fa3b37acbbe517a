// SPDX-License-Identifier: GPL-2.0

//! From a function's name to the place that a hook goes to.

use crate::symbol;
#[cfg(CONFIG_FPROBE)]
use crate::{bindings, fault};
use core::num::NonZeroUsize;
#[cfg(CONFIG_FPROBE)]
use kernel::error::to_result;
use kernel::prelude::*;
use tackle_core::sort::insertion_sort;

/// A kernel function that somebody wants to hook.
///
/// A `&CStr` becomes one that has to stand alone.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    name: &'a CStr,
    position: Option<NonZeroUsize>,
}

impl<'a> Target<'a> {
    /// The function `name`, of a module as `module:function`.
    ///
    /// Without a module, functions of modules are looked at only when the kernel proper has
    /// none of this name, as `kallsyms_lookup_name()` does.
    pub const fn new(name: &'a CStr) -> Self {
        Self {
            name,
            position: None,
        }
    }

    /// Of several functions with this name (the kernel has many static ones), the one at
    /// `position` by their addresses, counted from 1.
    pub const fn position(self, position: NonZeroUsize) -> Self {
        Self {
            position: Some(position),
            ..self
        }
    }

    /// Returns the address of the `call __fentry__` at the function's entry.
    ///
    /// # Errors
    ///
    /// - `ENOENT`: there is no such function, or none at this position.
    /// - `EINVAL`: it cannot be traced: it is `notrace`, or not a function.
    /// - `ENOTUNIQ`: there are several, and no position was given.
    /// - `ENOMEM`.
    ///
    /// # Context
    ///
    /// May sleep, for tens of milliseconds.
    pub(crate) fn resolve(self) -> Result<usize> {
        // To tell what is not there from what cannot be traced.
        symbol::lookup(self.name)?;
        let places = self.places()?;
        match (self.position, &places[..]) {
            (_, []) => Err(EINVAL),
            (None, &[place]) => Ok(place),
            (None, _) => Err(ENOTUNIQ),
            (Some(position), _) => places.get(position.get() - 1).copied().ok_or(ENOENT),
        }
    }

    /// Where the functions with this name can be hooked, in the order of their addresses.
    fn places(self) -> Result<KVec<usize>> {
        let name = self.name.to_bytes_with_nul();
        let (module, function) = match name.iter().position(|&byte| byte == b':') {
            Some(colon) => (Some(&name[..colon]), &name[colon + 1..]),
            None => (None, name),
        };
        let mut places = KVec::new();
        let mut in_vmlinux = false;
        let function = CStr::from_bytes_with_nul(function).map_err(|_| EINVAL)?;
        for place in traceable(function)? {
            let owner = symbol::module_of(place)?;
            in_vmlinux |= owner.is_empty();
            if module.is_none_or(|module| *module == *owner) {
                places.push((place, owner.is_empty()), GFP_KERNEL)?;
            }
        }
        let mut chosen = KVec::with_capacity(places.len(), GFP_KERNEL)?;
        for (place, vmlinux) in places {
            if module.is_some() || vmlinux == in_vmlinux {
                chosen.push(place, GFP_KERNEL)?;
            }
        }
        insertion_sort(&mut chosen, |a, b| a < b);
        Ok(chosen)
    }
}

impl<'a> From<&'a CStr> for Target<'a> {
    fn from(name: &'a CStr) -> Self {
        Self::new(name)
    }
}

/// Where the functions `name` of the kernel and of all modules can be hooked.
///
/// What walks the kernel's symbols is not exported, but an fprobe can be put on a name and
/// then tells where it is. It is on the functions for a moment, and does nothing there.
#[cfg(CONFIG_FPROBE)]
fn traceable(name: &CStr) -> Result<KVec<usize>> {
    use core::{ptr, slice};

    unsafe extern "C" fn nothing(
        _probe: *mut bindings::fprobe,
        _entry_ip: usize,
        _ret_ip: usize,
        _fregs: *mut bindings::ftrace_regs,
        _data: *mut core::ffi::c_void,
    ) -> i32 {
        0
    }

    let mut probe = bindings::fprobe {
        entry_handler: Some(nothing),
        ..pin_init::zeroed()
    };
    fault::REGISTER_FPROBE.check()?;
    // SAFETY: `probe` is valid and stays in its place until it is unregistered below.
    let result = unsafe { bindings::register_fprobe(&mut probe, name.as_char_ptr(), ptr::null()) };
    match to_result(result) {
        Ok(()) => {}
        Err(ENOENT) => return Ok(KVec::new()),
        Err(error) => return Err(error),
    }
    // SAFETY: A registered fprobe has its list of so many places, which does not change.
    let places = unsafe {
        let list = probe.hlist_array;
        slice::from_raw_parts((*list).array.as_ptr(), (*list).size as usize)
    };
    let copy = || -> Result<KVec<usize>> {
        let mut copy = KVec::with_capacity(places.len(), GFP_KERNEL)?;
        for place in places {
            copy.push(place.addr, GFP_KERNEL)?;
        }
        Ok(copy)
    };
    let copy = copy();
    // SAFETY: It was registered above, and is unregistered this once; waits until no CPU is
    // in its handler.
    unsafe { bindings::unregister_fprobe(&mut probe) };
    copy
}

/// Without fprobe: the first of them, wherever it can be hooked.
#[cfg(not(CONFIG_FPROBE))]
fn traceable(name: &CStr) -> Result<KVec<usize>> {
    let mut places = KVec::new();
    places.push(symbol::lookup(name)?, GFP_KERNEL)?;
    Ok(places)
}
