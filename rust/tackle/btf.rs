// SPDX-License-Identifier: GPL-2.0

//! Implements the lookup of functions in the kernel's type information (BTF).
//!
//! C headers: [`include/linux/btf.h`](srctree/include/linux/btf.h),
//! [`include/uapi/linux/btf.h`](srctree/include/uapi/linux/btf.h). The format is described in
//! `Documentation/bpf/btf.rst` of the kernel.

use kernel::prelude::*;
use tackle_core::hooks::Returns;

/// The return type of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnType {
    /// `void`.
    Nothing,
    /// A number, a `bool` or a pointer.
    Known(Returns),
    /// Another type, such as a structure.
    Other,
}

/// Returns the return type of `[MODULE:]FUNCTION`. Without a module, this is a function of the
/// kernel proper.
///
/// [`None`] if the type is not known: the kernel has no BTF, or no BTF of this function; or the
/// kernel proper or another module has a function of the same name, and the kernel finds that one.
///
/// # Context
///
/// May sleep.
pub fn return_type(function: &CStr) -> Option<ReturnType> {
    let (module, name) = crate::symbol::split(function).ok()?;
    Prototype::of(module.as_deref(), name)?.return_type()
}

/// Returns whether the function `name` of `module`, or of the kernel proper, is known to get all
/// its arguments in registers.
///
/// # Context
///
/// May sleep.
#[cfg(CONFIG_FPROBE)]
pub(crate) fn is_in_registers(module: Option<&CStr>, name: &CStr) -> bool {
    Prototype::of(module, name).is_some_and(|prototype| prototype.is_in_registers())
}

/// Whether this kernel has type information.
#[cfg(tackle_fault_inject)]
pub(crate) const IS_THERE: bool = cfg!(all(CONFIG_DEBUG_INFO_BTF, CONFIG_BPF_SYSCALL));

/// Returns the index of the first parameter of the function `name` of the kernel proper whose type
/// has this name (`gfp_t`); [`None`] if there is none, or the kernel does not know the function.
///
/// # Context
///
/// May sleep.
#[cfg(tackle_fault_inject)]
pub(crate) fn parameter_of_type(name: &CStr, type_name: &CStr) -> Option<usize> {
    Prototype::of(None, name)?.parameter_of_type(type_name)
}

#[cfg(all(CONFIG_DEBUG_INFO_BTF, CONFIG_BPF_SYSCALL))]
use types::Prototype;

/// The prototype of a function, which a kernel without BTF does not have.
#[cfg(not(all(CONFIG_DEBUG_INFO_BTF, CONFIG_BPF_SYSCALL)))]
enum Prototype {}

#[cfg(not(all(CONFIG_DEBUG_INFO_BTF, CONFIG_BPF_SYSCALL)))]
impl Prototype {
    fn of(_module: Option<&CStr>, _name: &CStr) -> Option<Self> {
        None
    }

    fn return_type(&self) -> Option<ReturnType> {
        match *self {}
    }

    #[cfg(CONFIG_FPROBE)]
    fn is_in_registers(&self) -> bool {
        match *self {}
    }

    #[cfg(tackle_fault_inject)]
    fn parameter_of_type(&self, _name: &CStr) -> Option<usize> {
        match *self {}
    }
}

#[cfg(all(CONFIG_DEBUG_INFO_BTF, CONFIG_BPF_SYSCALL))]
mod types {
    use super::ReturnType;
    use crate::{bindings, call_at::call_at, symbol::Unexported};
    use core::ptr;
    use kernel::{ffi::c_char, prelude::*};
    use tackle_core::hooks::{calling, Returns};

    static BTF_PUT: Unexported = Unexported::new(c"btf_put");
    static BTF_GET_NAME: Unexported = Unexported::new(c"btf_get_name");
    #[cfg(tackle_fault_inject)]
    static BTF_NAME_BY_OFFSET: Unexported = Unexported::new(c"btf_name_by_offset");

    /// The maximum number of typedefs and qualifiers of a type that are followed, and the maximum
    /// depth of nested structures.
    const MAX_DEPTH: usize = 16;

    /// A type without names and qualifiers.
    enum Type {
        Void,
        Pointer,
        Bool,
        /// A number of this many bytes, and whether it is signed.
        Number(u32, bool),
        /// A structure or a union of this many bytes.
        Structure(u32),
        /// A type that C neither passes nor returns as a value, or a packed structure.
        Other,
    }

    impl Type {
        /// The size in bytes.
        fn size(&self) -> Option<usize> {
            match *self {
                Self::Void => Some(0),
                Self::Pointer => Some(8),
                Self::Bool => Some(1),
                // CAST: 32 bits.
                Self::Number(size, _) | Self::Structure(size) => Some(size as usize),
                Self::Other => None,
            }
        }
    }

    /// The prototype of a function.
    ///
    /// # Invariants
    ///
    /// - This holds a reference to `btf`.
    /// - `id` is that of a BTF_KIND_FUNC_PROTO.
    pub(super) struct Prototype {
        btf: *mut bindings::btf,
        id: u32,
    }

    impl Prototype {
        /// Finds the prototype of the function `name` of `module`, or of the kernel proper.
        pub(super) fn of(module: Option<&CStr>, name: &CStr) -> Option<Self> {
            // Checked before a reference is taken, which `btf_put()` drops.
            BTF_PUT.find().ok()?;
            let get_name = BTF_GET_NAME.find().ok()?;
            let mut btf = ptr::null_mut();
            // SAFETY: The name is a string, and `btf` is valid during the call.
            let id = unsafe {
                bindings::bpf_find_btf_id(name.as_char_ptr(), bindings::BTF_KIND_FUNC, &mut btf)
            };
            let id = u32::try_from(id).ok().filter(|id| *id > 0)?;
            // INVARIANT: `bpf_find_btf_id()` has taken a reference to the BTF. For now the ID is
            // that of the function. It is set to that of the prototype below.
            let mut this = Self { btf, id };
            // SAFETY: The prototype is `const char *btf_get_name(const struct btf *btf)`, and `btf`
            // is valid.
            let owner = unsafe { call_at(get_name, [btf.addr(), 0, 0, 0, 0, 0]) };
            // SAFETY: The name is a string, and part of the BTF.
            // CAST: A pointer.
            let owner = unsafe { CStr::from_char_ptr(owner as *const c_char) };
            if *owner != *module.unwrap_or(c"vmlinux") {
                return None;
            }
            // INVARIANT: The type of a BTF_KIND_FUNC is its prototype.
            // SAFETY: For a BTF_KIND_FUNC the member `type` of the union is set.
            this.id = unsafe { this.get(id)?.__bindgen_anon_1.type_ };
            Some(this)
        }

        /// Returns the return type of the function; [`None`] if it is not known.
        pub(super) fn return_type(&self) -> Option<ReturnType> {
            Some(match self.returned()? {
                Type::Void => ReturnType::Nothing,
                Type::Pointer => ReturnType::Known(Returns::Pointer),
                Type::Bool => ReturnType::Known(Returns::Bool),
                Type::Number(bytes @ (1 | 2 | 4 | 8), is_signed) => {
                    // CAST: A small number.
                    let bytes = bytes as u8;
                    ReturnType::Known(match is_signed {
                        true => Returns::Signed(bytes),
                        false => Returns::Unsigned(bytes),
                    })
                }
                Type::Number(..) | Type::Structure(_) | Type::Other => ReturnType::Other,
            })
        }

        /// Returns whether the function gets all its arguments in registers.
        pub(super) fn is_in_registers(&self) -> bool {
            let Some(parameters) = self.parameters() else {
                return false;
            };
            // A last parameter of type 0 stands for `...`.
            let is_fixed = parameters.iter().all(|parameter| parameter.type_ != 0);
            let sizes = || {
                parameters
                    .iter()
                    .map(|parameter| self.what(parameter.type_)?.size())
            };
            let returned = self.returned().and_then(|returned| returned.size());
            is_fixed
                && sizes().all(|size| size.is_some())
                && returned
                    .is_some_and(|returned| calling::is_in_registers(sizes().flatten(), returned))
        }

        fn parameters(&self) -> Option<&[bindings::btf_param]> {
            let prototype = self.get(self.id)?;
            // CAST: 16 bits.
            let count = (prototype.info & 0xffff) as usize;
            // SAFETY: A BTF_KIND_FUNC_PROTO is followed by this many parameters.
            Some(unsafe {
                core::slice::from_raw_parts(
                    ptr::from_ref(prototype)
                        .add(1)
                        .cast::<bindings::btf_param>(),
                    count,
                )
            })
        }

        /// Returns the index of the first parameter whose type has this name.
        #[cfg(tackle_fault_inject)]
        pub(super) fn parameter_of_type(&self, name: &CStr) -> Option<usize> {
            let name_at = BTF_NAME_BY_OFFSET.find().ok()?;
            self.parameters()?.iter().position(|parameter| {
                self.get(parameter.type_).is_some_and(|found| {
                    // CAST: 32 bits.
                    let arguments = [self.btf.addr(), found.name_off as usize, 0, 0, 0, 0];
                    // SAFETY: The prototype is `const char *btf_name_by_offset(const struct btf
                    // *btf, u32 offset)`. The offset is that of a name in this BTF.
                    // CAST: A pointer.
                    let text = unsafe { call_at(name_at, arguments) } as *const c_char;
                    // SAFETY: `text` is null, or a string that is part of the BTF.
                    !text.is_null() && unsafe { CStr::from_char_ptr(text) } == name
                })
            })
        }

        fn returned(&self) -> Option<Type> {
            // SAFETY: For a BTF_KIND_FUNC_PROTO the member `type` of the union is set. It is the
            // return type.
            self.what(unsafe { self.get(self.id)?.__bindgen_anon_1.type_ })
        }

        /// Returns the entry of the type with this ID.
        fn get(&self, id: u32) -> Option<&bindings::btf_type> {
            // SAFETY: By the type invariants `btf` is valid. The function checks the ID. The types
            // are valid as long as the BTF.
            unsafe { bindings::btf_type_by_id(self.btf, id).as_ref() }
        }

        /// Returns the type with this ID, without its typedefs and qualifiers.
        fn what(&self, id: u32) -> Option<Type> {
            self.what_at(id, MAX_DEPTH)
        }

        /// As [`Prototype::what`], for at most `depth` levels of nested structures.
        fn what_at(&self, mut id: u32, depth: usize) -> Option<Type> {
            for _ in 0..MAX_DEPTH {
                // The ID 0 is `void`.
                if id == 0 {
                    return Some(Type::Void);
                }
                let found = self.get(id)?;
                let (kind, flag) = (found.info >> 24 & 0x7f, found.info >> 31 != 0);
                // SAFETY: Both members of the union are numbers of 32 bits, so either can be read,
                // whichever the kind has set.
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
                    bindings::BTF_KIND_PTR => Type::Pointer,
                    bindings::BTF_KIND_INT => {
                        // SAFETY: A BTF_KIND_INT is followed by a word that has its encoding.
                        let about = unsafe { ptr::from_ref(found).add(1).cast::<u32>().read() };
                        let encoding = about >> 24 & 0xf;
                        if encoding & bindings::BTF_INT_BOOL != 0 {
                            Type::Bool
                        } else {
                            Type::Number(size, encoding & bindings::BTF_INT_SIGNED != 0)
                        }
                    }
                    bindings::BTF_KIND_ENUM | bindings::BTF_KIND_ENUM64 => Type::Number(size, flag),
                    bindings::BTF_KIND_STRUCT | bindings::BTF_KIND_UNION => {
                        // A packed structure is passed in memory, as one that is too large for
                        // registers.
                        match self.is_aligned(id, depth) {
                            true => Type::Structure(size),
                            false => Type::Other,
                        }
                    }
                    _ => Type::Other,
                });
            }
            None
        }
    }

    impl Prototype {
        /// Returns whether each member of a structure or a union is at its natural alignment. A
        /// nested structure must be at a multiple of eight bytes. At most `depth` levels of nested
        /// structures are checked. For more than 16 bytes this is true without a check, since such
        /// a structure is passed in memory in any case.
        fn is_aligned(&self, id: u32, depth: usize) -> bool {
            let (Some(found), Some(depth)) = (self.get(id), depth.checked_sub(1)) else {
                return false;
            };
            // SAFETY: For a structure or a union the member `size` of the union is set.
            if unsafe { found.__bindgen_anon_1.size } > 16 {
                return true;
            }
            // CAST: 16 bits.
            let count = (found.info & 0xffff) as usize;
            // SAFETY: A structure or a union is followed by this many members.
            let members = unsafe {
                core::slice::from_raw_parts(
                    ptr::from_ref(found).add(1).cast::<bindings::btf_member>(),
                    count,
                )
            };
            let has_bitfields = found.info >> 31 != 0;
            members.iter().all(|member| {
                let (offset, bits) = match has_bitfields {
                    true => (member.offset & 0xff_ffff, member.offset >> 24),
                    false => (member.offset, 0),
                };
                if bits != 0 {
                    return true;
                }
                match self.what_at(member.type_, depth) {
                    // CAST: 1 to 16 bytes.
                    Some(Type::Number(size, _)) => offset % (size * 8) == 0,
                    Some(Type::Pointer | Type::Structure(_)) => offset % 64 == 0,
                    Some(Type::Bool) => true,
                    _ => false,
                }
            })
        }
    }

    impl Drop for Prototype {
        fn drop(&mut self) {
            if let Ok(btf_put) = BTF_PUT.find() {
                // SAFETY: The prototype is `void btf_put(struct btf *btf)`. By the type invariants
                // this holds the reference that is dropped.
                unsafe { call_at(btf_put, [self.btf.addr(), 0, 0, 0, 0, 0]) };
            }
        }
    }
}
