// SPDX-License-Identifier: GPL-2.0

//! Names of the functions that hooks are for: one function, several, or a pattern.

use crate::function::Function;
use core::num::NonZeroUsize;
use kernel::prelude::*;

/// A kernel function that somebody wants to hook.
///
/// A `&CStr` becomes one, as by [`Target::new`].
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
    /// Creates the target `name`, or a module's function as `module:function`.
    ///
    /// Without a module, functions of modules are looked at only when the kernel proper has
    /// none of this name, as `kallsyms_lookup_name()` does.
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
    /// Creates the pattern of all functions that match `pattern`: those of the kernel
    /// proper, or when none there does, those of all modules, also of modules that are
    /// loaded later.
    pub const fn new(pattern: &'a CStr) -> Self {
        Self {
            pattern,
            except: None,
            module: None,
        }
    }

    /// Leaves out those that match `pattern`.
    pub const fn except(self, pattern: &'a CStr) -> Self {
        Self {
            except: Some(pattern),
            ..self
        }
    }

    /// Takes those of one module.
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
///
/// A hook on a function of a module is taken off before the module's memory is freed, and
/// that on an init function before the memory of init functions is. When a module of that
/// name is loaded again, the hook comes back, unless it was made for an address.
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
