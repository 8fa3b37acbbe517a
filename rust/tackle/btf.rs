// SPDX-License-Identifier: GPL-2.0

//! What the kernel's type information (BTF) says about functions.
//!
//! C headers: [`include/linux/btf.h`](srctree/include/linux/btf.h),
//! [`include/uapi/linux/btf.h`](srctree/include/uapi/linux/btf.h). The format is described in
//! `Documentation/bpf/btf.rst` of the kernel.

use kernel::prelude::*;
use tackle_core::hooks::Returns;

/// The type of what a function returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnType {
    /// `void`.
    Nothing,
    /// A number, a `bool` or a pointer.
    Known(Returns),
    /// Something else: a structure.
    Other,
}

/// Returns the type of what `[MODULE:]FUNCTION` returns; without a module, one of the kernel
/// proper. [`None`] if the kernel does not know it: it has no BTF, or none of this function; or
/// the kernel proper or another module has one of the same name, and the kernel finds that.
///
/// # Context
///
/// May sleep.
#[cfg(all(CONFIG_DEBUG_INFO_BTF, CONFIG_BPF_SYSCALL))]
pub fn return_type(function: &CStr) -> Option<ReturnType> {
    let (module, name) = crate::symbol::split(function).ok()?;
    let btf = Btf::of_function(name)?;
    if btf.name()? != module.as_deref().unwrap_or(c"vmlinux") {
        return None;
    }
    let function = btf.get(btf.id)?;
    // SAFETY: A BTF_KIND_FUNC has a type: its prototype.
    let prototype = btf.get(unsafe { function.__bindgen_anon_1.type_ })?;
    // SAFETY: A BTF_KIND_FUNC_PROTO has a type: what is returned.
    btf.what(unsafe { prototype.__bindgen_anon_1.type_ })
}

/// As above, for a kernel without BTF.
#[cfg(not(all(CONFIG_DEBUG_INFO_BTF, CONFIG_BPF_SYSCALL)))]
pub fn return_type(_function: &CStr) -> Option<ReturnType> {
    None
}

#[cfg(all(CONFIG_DEBUG_INFO_BTF, CONFIG_BPF_SYSCALL))]
use types::Btf;

#[cfg(all(CONFIG_DEBUG_INFO_BTF, CONFIG_BPF_SYSCALL))]
mod types {
    use super::ReturnType;
    use crate::{bindings, symbol};
    use core::ptr;
    use kernel::prelude::*;
    use tackle_core::hooks::Returns;

    /// How many names and qualifiers of a type are looked through.
    const MAX_DEPTH: usize = 64;

    /// The BTF that has a function.
    ///
    /// # Invariants
    ///
    /// There is a reference to `btf`, which this holds.
    pub(super) struct Btf {
        btf: *mut bindings::btf,
        /// The number of the function.
        pub(super) id: u32,
    }

    impl Btf {
        /// Finds the function `name`.
        pub(super) fn of_function(name: &CStr) -> Option<Self> {
            let mut btf = ptr::null_mut();
            // SAFETY: The name is a string; `btf` is there during the call.
            let id = unsafe {
                bindings::bpf_find_btf_id(name.as_char_ptr(), bindings::BTF_KIND_FUNC, &mut btf)
            };
            let id = u32::try_from(id).ok().filter(|id| *id > 0)?;
            // INVARIANT: It was found, with a reference.
            Some(Self { btf, id })
        }

        /// Returns the name of what this is of: `vmlinux`, or a module.
        pub(super) fn name(&self) -> Option<&CStr> {
            // SAFETY: By the type invariants.
            let name = unsafe { symbol::btf_get_name(self.btf) }?;
            // SAFETY: It is a string, and part of the BTF.
            Some(unsafe { CStr::from_char_ptr(name.as_ptr()) })
        }

        /// Returns the type of this number.
        pub(super) fn get(&self, id: u32) -> Option<&bindings::btf_type> {
            // SAFETY: By the type invariants. It checks the number. The types are there as long as
            // the BTF.
            unsafe { bindings::btf_type_by_id(self.btf, id).as_ref() }
        }

        /// Tells what a value of the type of this number is.
        pub(super) fn what(&self, mut id: u32) -> Option<ReturnType> {
            for _ in 0..MAX_DEPTH {
                // Number 0 is `void`.
                if id == 0 {
                    return Some(ReturnType::Nothing);
                }
                let found = self.get(id)?;
                let (kind, flag) = (found.info >> 24 & 0x7f, found.info >> 31 != 0);
                // SAFETY: The member that a kind has is read as a number; each is one.
                let (size, next) =
                    unsafe { (found.__bindgen_anon_1.size, found.__bindgen_anon_1.type_) };
                return Some(match kind {
                    bindings::BTF_KIND_TYPEDEF
                    | bindings::BTF_KIND_CONST
                    | bindings::BTF_KIND_VOLATILE
                    | bindings::BTF_KIND_RESTRICT
                    | bindings::BTF_KIND_TYPE_TAG => {
                        id = next;
                        continue;
                    }
                    bindings::BTF_KIND_PTR => ReturnType::Known(Returns::Pointer),
                    bindings::BTF_KIND_INT => {
                        // SAFETY: A BTF_KIND_INT is followed by a word about it.
                        let about = unsafe { ptr::from_ref(found).add(1).cast::<u32>().read() };
                        let encoding = about >> 24 & 0xf;
                        if encoding & bindings::BTF_INT_BOOL != 0 {
                            ReturnType::Known(Returns::Bool)
                        } else {
                            number(size, encoding & bindings::BTF_INT_SIGNED != 0)
                        }
                    }
                    bindings::BTF_KIND_ENUM | bindings::BTF_KIND_ENUM64 => number(size, flag),
                    _ => ReturnType::Other,
                });
            }
            None
        }
    }

    impl Drop for Btf {
        fn drop(&mut self) {
            // SAFETY: By the type invariants.
            unsafe { symbol::btf_put(self.btf) };
        }
    }

    fn number(bytes: u32, is_signed: bool) -> ReturnType {
        // CAST: A small number.
        match (bytes, is_signed) {
            (1 | 2 | 4 | 8, true) => ReturnType::Known(Returns::Signed(bytes as u8)),
            (1 | 2 | 4 | 8, false) => ReturnType::Known(Returns::Unsigned(bytes as u8)),
            _ => ReturnType::Other,
        }
    }
}
