// SPDX-License-Identifier: GPL-2.0

//! From functions' names to the places that hooks go to.

#[cfg(CONFIG_FPROBE)]
use crate::{bindings, fault};
use crate::{function::Function, symbol};
use core::{num::NonZeroUsize, ptr};
#[cfg(CONFIG_FPROBE)]
use kernel::error::to_result;
use kernel::{prelude::*, str::CString};
use tackle_core::sort::insertion_sort;

/// A kernel function that somebody wants to hook.
///
/// A `&CStr` becomes one that has to stand alone.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    // Of `name` as well, if it has a colon.
    module: Option<&'a CStr>,
    name: &'a CStr,
    position: Option<NonZeroUsize>,
    when_loaded: bool,
}

impl<'a> Target<'a> {
    /// The function `name`, of a module as `module:function`.
    ///
    /// Without a module, functions of modules are looked at only when the kernel proper has
    /// none of this name, as `kallsyms_lookup_name()` does.
    pub const fn new(name: &'a CStr) -> Self {
        Self {
            module: None,
            name,
            position: None,
            when_loaded: false,
        }
    }

    /// The function `F`.
    pub const fn of<F: Function>() -> Self {
        Self {
            module: F::MODULE,
            name: F::NAME,
            position: NonZeroUsize::new(F::POSITION),
            when_loaded: false,
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

    /// Also when the function's module is not loaded: the hook is armed when it is, before
    /// the module's own init function runs.
    ///
    /// That goes for each hook on a function whose module is named: when the module goes, it
    /// is disarmed, and armed again when the module comes back.
    pub const fn when_loaded(self) -> Self {
        Self {
            when_loaded: true,
            ..self
        }
    }

    /// Whether the function's module may be missing.
    pub(super) fn may_wait(&self) -> bool {
        self.when_loaded
    }

    /// Which of several functions.
    pub(super) fn at(&self) -> Option<NonZeroUsize> {
        self.position
    }

    /// The module's name, if there is one, and that of the function, with its NUL.
    pub(super) fn parts(&self) -> (Option<&'a [u8]>, &'a [u8]) {
        let name = self.name.to_bytes_with_nul();
        match name.iter().position(|&byte| byte == b':') {
            Some(colon) => (Some(&name[..colon]), &name[colon + 1..]),
            None => (self.module.map(CStr::to_bytes), name),
        }
    }

    /// Returns where the function can be hooked: the address of the `call __fentry__` at its
    /// entry.
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
    pub(crate) fn resolve(&self) -> Result<usize> {
        let (module, name) = self.parts();
        let name = CStr::from_bytes_with_nul(name).map_err(|_| EINVAL)?;
        // To tell what is not there from what cannot be traced.
        match module {
            None => symbol::lookup(name)?,
            Some(module) => symbol::lookup(&in_module(module, name)?)?,
        };
        let places = places(name, ptr::null(), module)?;
        match (self.position, &places[..]) {
            (_, []) => Err(EINVAL),
            (None, &[place]) => Ok(place),
            (None, _) => Err(ENOTUNIQ),
            (Some(position), _) => places.get(position.get() - 1).copied().ok_or(ENOENT),
        }
    }
}

/// The name by which [`symbol::lookup`] finds a module's function: `module:function`.
pub(super) fn in_module(module: &[u8], name: &CStr) -> Result<CString> {
    let module = core::str::from_utf8(module).map_err(|_| EINVAL)?;
    CString::try_from_fmt(fmt!("{module}:{}", name.to_str()?))
}

/// All functions whose names match a pattern, as in tracefs: `*`, `?` and `[...]`.
#[derive(Clone, Copy)]
pub struct Pattern<'a> {
    pattern: &'a CStr,
    except: Option<&'a CStr>,
    module: Option<&'a CStr>,
}

impl<'a> Pattern<'a> {
    /// The functions that match `pattern`: of the kernel proper, or when none there does, of
    /// all modules.
    pub const fn new(pattern: &'a CStr) -> Self {
        Self {
            pattern,
            except: None,
            module: None,
        }
    }

    /// All but those that match `pattern`.
    pub const fn except(self, pattern: &'a CStr) -> Self {
        Self {
            except: Some(pattern),
            ..self
        }
    }

    /// Those of one module.
    pub const fn module(self, module: &'a CStr) -> Self {
        Self {
            module: Some(module),
            ..self
        }
    }
}

/// What a hook is on.
///
/// Made from a `&CStr` or a [`Target`], from several `Target`s, a [`Pattern`], or addresses,
/// which are functions' or those of the `call __fentry__` at their entries.
#[derive(Clone, Copy)]
pub enum Targets<'a> {
    /// One function.
    One(Target<'a>),
    /// Several.
    Several(&'a [Target<'a>]),
    /// All that match.
    Pattern(Pattern<'a>),
    /// Those at these addresses.
    Addresses(&'a [usize]),
}

impl<'a> From<&'a CStr> for Target<'a> {
    fn from(name: &'a CStr) -> Self {
        Self::new(name)
    }
}

impl<'a> From<&'a CStr> for Targets<'a> {
    fn from(name: &'a CStr) -> Self {
        Self::One(Target::new(name))
    }
}

impl<'a> From<Target<'a>> for Targets<'a> {
    fn from(target: Target<'a>) -> Self {
        Self::One(target)
    }
}

impl<'a> From<&'a [Target<'a>]> for Targets<'a> {
    fn from(targets: &'a [Target<'a>]) -> Self {
        Self::Several(targets)
    }
}

impl<'a> From<Pattern<'a>> for Targets<'a> {
    fn from(pattern: Pattern<'a>) -> Self {
        Self::Pattern(pattern)
    }
}

impl<'a> From<&'a [usize]> for Targets<'a> {
    fn from(addresses: &'a [usize]) -> Self {
        Self::Addresses(addresses)
    }
}

impl Targets<'_> {
    /// Returns where the functions can be hooked, each once, in the order of the addresses.
    ///
    /// # Errors
    ///
    /// Those of [`Target::resolve`]; `ENOENT` if there are none.
    pub(super) fn resolve(&self) -> Result<KVec<usize>> {
        let mut all = KVec::new();
        match self {
            Self::One(target) => all.push(target.resolve()?, GFP_KERNEL)?,
            Self::Several(targets) => {
                for target in *targets {
                    all.push(target.resolve()?, GFP_KERNEL)?;
                }
            }
            Self::Pattern(pattern) => {
                let except = pattern.except.map_or(ptr::null(), CStr::as_char_ptr);
                let module = pattern.module.map(CStr::to_bytes);
                all = places(pattern.pattern, except, module)?;
            }
            Self::Addresses(addresses) => all.extend_from_slice(addresses, GFP_KERNEL)?,
        }
        insertion_sort(&mut all, |a, b| a < b);
        let mut once = KVec::with_capacity(all.len(), GFP_KERNEL)?;
        for place in all {
            if once.last() != Some(&place) {
                once.push(place, GFP_KERNEL)?;
            }
        }
        if once.is_empty() {
            return Err(ENOENT);
        }
        Ok(once)
    }
}

/// Where the functions that match `pattern`, and not `except` unless that is null, can be
/// hooked, in the order of their addresses: of one module, or of the kernel proper, or when
/// that has none, of all modules.
fn places(pattern: &CStr, except: *const u8, module: Option<&[u8]>) -> Result<KVec<usize>> {
    let mut places = KVec::new();
    let mut in_vmlinux = false;
    for place in traceable(pattern, except)? {
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

/// Where the functions of the kernel and of all modules that match can be hooked.
///
/// What walks the kernel's symbols is not exported, but an fprobe can be put on a pattern and
/// then tells where it is. It is on the functions for a moment, and does nothing there.
#[cfg(CONFIG_FPROBE)]
fn traceable(pattern: &CStr, except: *const u8) -> Result<KVec<usize>> {
    use core::slice;

    extern "C" fn nothing(
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
    // SAFETY: `probe` is valid and stays in its place until it is unregistered below. The
    // patterns are strings, or null.
    let result = unsafe { bindings::register_fprobe(&mut probe, pattern.as_char_ptr(), except) };
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

/// Without fprobe patterns are not known: the first function of this name, wherever it can be
/// hooked.
#[cfg(not(CONFIG_FPROBE))]
fn traceable(pattern: &CStr, _except: *const u8) -> Result<KVec<usize>> {
    let mut places = KVec::new();
    places.push(symbol::lookup(pattern)?, GFP_KERNEL)?;
    Ok(places)
}
