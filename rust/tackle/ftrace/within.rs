// SPDX-License-Identifier: GPL-2.0

//! Implements [`Within`], the part of the kernel that a function belongs to, and the search for the
//! symbols of a loaded module.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

use crate::{bindings, symbol};
use kernel::{prelude::*, str::CString};

/// The part of the kernel that a function belongs to. The memory of a part is freed as a whole.
pub(super) enum Within {
    /// The kernel proper.
    Vmlinux,
    /// A module, from when it is loaded until it is unloaded.
    Module(CString),
    /// The init functions of a module, which are freed when its init function has returned.
    ModuleInit(CString),
}

impl Within {
    /// Returns whether this is a part of the module `name`.
    pub(super) fn is_of(&self, name: &CStr) -> bool {
        match self {
            Self::Vmlinux => false,
            Self::Module(own) | Self::ModuleInit(own) => **own == *name,
        }
    }

    /// Returns whether this is the part with the init functions of the module `name`.
    pub(super) fn is_init_of(&self, name: &CStr) -> bool {
        matches!(self, Self::ModuleInit(own) if **own == *name)
    }

    /// Returns a copy.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn try_clone(&self) -> Result<Self> {
        Ok(match self {
            Self::Vmlinux => Self::Vmlinux,
            Self::Module(name) => Self::Module(copy(name)?),
            Self::ModuleInit(name) => Self::ModuleInit(copy(name)?),
        })
    }
}

impl PartialEq for Within {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Vmlinux, Self::Vmlinux) => true,
            (Self::Module(a), Self::Module(b)) | (Self::ModuleInit(a), Self::ModuleInit(b)) => {
                **a == **b
            }
            _ => false,
        }
    }
}

/// Returns a copy of a string.
pub(super) fn copy(name: &CStr) -> Result<CString> {
    CString::try_from_fmt(fmt!("{}", name.to_str()?))
}

/// A symbol of a module.
pub(super) struct Symbol {
    pub(super) address: usize,
    /// Whether it is in the memory that is freed when the module's init function has returned.
    pub(super) is_init: bool,
}

impl Symbol {
    /// Returns the address of the function's `call __fentry__`.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the function cannot be traced.
    pub(super) fn location(&self) -> Result<usize> {
        symbol::ftrace_location(self.address).ok_or(EINVAL)
    }
}

/// The modules that are being loaded, and for which the notifier has run.
///
/// kallsyms lists the symbols of a module already before the notifier runs for its loading, and
/// for a while after the notifier has run for its unloading. At these times the module's functions
/// must not be hooked.
pub(super) struct Loading(KVec<CString>);

impl Loading {
    pub(super) const fn new() -> Self {
        Self(KVec::new())
    }

    /// Records that `module` is being loaded.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is no memory for the name.
    pub(super) fn add(&mut self, module: &CStr) -> Result {
        let module = copy(module)?;
        Ok(self.0.push(module, GFP_KERNEL)?)
    }

    /// Records that `module` is loaded, or is being unloaded.
    pub(super) fn remove(&mut self, module: &CStr) {
        self.0.retain(|other| **other != *module);
        if self.0.is_empty() {
            // A static is not dropped: free its memory here.
            self.0 = KVec::new();
        }
    }

    /// Returns the symbols of `module` that `wants` accepts by their names and addresses, in
    /// the order of `/proc/kallsyms`. Returns [`None`] if the module is not loaded, or must not be
    /// hooked at this time.
    ///
    /// The result is right as long as the caller holds the lock that the module notifier takes.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is no memory for the symbols.
    pub(super) fn symbols(
        &self,
        module: &CStr,
        mut wants: impl FnMut(&CStr, usize) -> bool,
    ) -> Result<Option<KVec<Symbol>>> {
        let mut symbols = KVec::new();
        let mut state = None;
        symbol::all_in_modules(Some(module), |name, address| {
            if name == c"__this_module" {
                // SAFETY: The symbol `__this_module` of a module is its `struct module`. The module
                // is in the list of modules during this call, so the structure is valid.
                state = Some(unsafe { (*this_module(address)).state });
            }
            if wants(name, address) {
                let is_init = false;
                symbols.push(Symbol { address, is_init }, GFP_KERNEL)?;
            }
            Ok(())
        })?;
        let usable = match state {
            Some(bindings::module_state_MODULE_STATE_LIVE) => true,
            Some(bindings::module_state_MODULE_STATE_COMING) => {
                self.0.iter().any(|name| **name == *module)
            }
            _ => false,
        };
        if !usable {
            return Ok(None);
        }
        symbol::all_in_modules(Some(module), |name, address| {
            if name == c"__this_module" {
                for symbol in &mut symbols {
                    // SAFETY: As above.
                    symbol.is_init = unsafe {
                        bindings::within_module_init(symbol.address, this_module(address))
                    };
                }
            }
            Ok(())
        })?;
        if state == Some(bindings::module_state_MODULE_STATE_LIVE) {
            // The init functions have symbols for a while after the notifier has run for their
            // removal.
            symbols.retain(|symbol| !symbol.is_init);
        }
        Ok(Some(symbols))
    }
}

/// Returns the module whose symbol `__this_module` has this address.
fn this_module(address: usize) -> *const kernel::bindings::module {
    // CAST: An address.
    address as *const _
}
