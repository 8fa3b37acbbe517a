// SPDX-License-Identifier: GPL-2.0

//! Implements the ways to say which functions a hook is for: one function, several, a pattern, or
//! addresses.

use crate::function::Function;
use core::num::NonZeroUsize;
use kernel::prelude::*;

/// A kernel function to hook.
///
/// A `&CStr` is converted into one as by [`Target::new`].
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub(super) module: Option<&'a CStr>,
    /// May begin with `module:`.
    pub(super) name: &'a CStr,
    pub(super) position: Option<NonZeroUsize>,
    pub(super) when_loaded: bool,
    /// Without a module: whether the function may be in a module.
    pub(super) in_modules: bool,
}

impl<'a> Target<'a> {
    /// Creates the target `name`. A function of a module is written `module:function`.
    ///
    /// A name without a module is searched in modules only if the kernel proper has no function of
    /// this name, as `kallsyms_lookup_name()` does.
    pub const fn new(name: &'a CStr) -> Self {
        Self {
            module: None,
            name,
            position: None,
            when_loaded: false,
            in_modules: true,
        }
    }

    /// Creates the target `F`: exactly that function.
    pub const fn of<F: Function>() -> Self {
        Self {
            module: F::MODULE,
            name: F::NAME,
            position: NonZeroUsize::new(F::POSITION),
            when_loaded: false,
            in_modules: false,
        }
    }

    /// Selects one of several symbols of this name (the kernel has many static functions),
    /// counted from 1 in the order of `/proc/kallsyms`, as live patches count.
    pub const fn position(self, position: NonZeroUsize) -> Self {
        Self {
            position: Some(position),
            ..self
        }
    }

    /// Allows the function's module to be missing: the hook is armed when the module is
    /// loaded, before its init function runs.
    pub const fn when_loaded(self) -> Self {
        Self {
            when_loaded: true,
            ..self
        }
    }
}

/// All functions whose names match a pattern, as in tracefs: `*`, `?` and `[...]`.
#[derive(Clone, Copy)]
pub struct Pattern<'a> {
    pub(super) pattern: &'a CStr,
    pub(super) except: Option<&'a CStr>,
    pub(super) module: Option<&'a CStr>,
}

impl<'a> Pattern<'a> {
    /// Creates the pattern of all functions of the kernel proper that match `pattern`. If none
    /// matches, it selects those of all modules, including modules that are loaded later.
    pub const fn new(pattern: &'a CStr) -> Self {
        Self {
            pattern,
            except: None,
            module: None,
        }
    }

    /// Excludes functions that match `pattern`.
    pub const fn except(self, pattern: &'a CStr) -> Self {
        Self {
            except: Some(pattern),
            ..self
        }
    }

    /// Selects functions of one module only.
    pub const fn module(self, module: &'a CStr) -> Self {
        Self {
            module: Some(module),
            ..self
        }
    }
}

/// The functions that a hook is for.
///
/// This is made from a `&CStr` or a [`Target`], from several `Target`s, a [`Pattern`], or
/// addresses. An address is that of a function, or of the `call __fentry__` at its entry.
///
/// A hook follows the module of its function. It is taken off the function before the module's
/// memory is freed; for an init function, before the memory of the init functions is freed. When a
/// module of that name is loaded again, the hook is put on the function again, unless it was made
/// for an address.
#[derive(Clone, Copy)]
pub enum Targets<'a> {
    /// One function.
    One(Target<'a>),
    /// Several.
    Several(&'a [Target<'a>]),
    /// All functions that match.
    Pattern(Pattern<'a>),
    /// The functions at these addresses.
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
