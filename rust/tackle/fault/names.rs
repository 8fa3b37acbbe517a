// SPDX-License-Identifier: GPL-2.0

//! Implements the lookup of a return address: the module that contains it, and its name.
//!
//! C headers: [`include/linux/module.h`](srctree/include/linux/module.h),
//! [`include/linux/kallsyms.h`](srctree/include/linux/kallsyms.h)

use crate::{
    bindings,
    call_at::call_at,
    symbol::{self, Unexported},
};
use core::{ffi::c_void, fmt};
use kernel::prelude::*;
use tackle_core::fault::{Frame, Identity, MODULE_NAME};

static MODULE_ADDRESS: Unexported = Unexported::new(c"__module_address");

/// The data for [`Map::owner`]: the range of the kernel's text, and a function that finds modules.
pub(super) struct Map {
    text: core::ops::Range<usize>,
    /// `__module_address()`, as [`call_at`] wants it.
    module_address: usize,
}

/// The part of the kernel that contains a return address.
pub(super) enum Owner {
    /// The kernel proper, with the offset of the address in its text.
    Kernel(u64),
    /// The module of this name, with the offset of the address in its text.
    Module([u8; MODULE_NAME], u64),
    /// Code that was generated at run time: a trampoline, or BPF.
    Generated,
}

impl Map {
    /// # Errors
    ///
    /// - `ENOENT`: the kernel lacks a symbol.
    /// - `ENOMEM`: there is no memory for the lookup.
    ///
    /// # Context
    ///
    /// May sleep.
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            text: symbol::lookup(c"_text")?..symbol::lookup(c"_etext")?,
            module_address: MODULE_ADDRESS.find()?.addr(),
        })
    }

    /// Returns the part of the kernel that contains a return address.
    ///
    /// # Context
    ///
    /// Any, with preemption disabled.
    pub(super) fn owner(&self, address: usize) -> Owner {
        if self.text.contains(&address) {
            // CAST: The same width.
            return Owner::Kernel(address.wrapping_sub(self.text.start) as u64);
        }
        // The call instruction is before the return address. It may be the last one of its module.
        let call = address.wrapping_sub(1);
        // CAST: An address.
        let function = self.module_address as *mut c_void;
        // SAFETY: The prototype is `struct module *__module_address(unsigned long addr)`, and any
        // number is a valid argument. As long as preemption is disabled, the module that it
        // returns is not freed.
        let module = unsafe { call_at(function, [call, 0, 0, 0, 0, 0]) };
        // CAST: A pointer.
        let module = module as *const kernel::bindings::module;
        if module.is_null() {
            return Owner::Generated;
        }
        let mut offset = 0;
        // SAFETY: As above.
        if !unsafe { bindings::module_text_offset(module, call, &mut offset) } {
            return Owner::Generated;
        }
        // SAFETY: As above. The name of a module does not change.
        let name = unsafe { &(*module).name };
        let mut copy = [0; MODULE_NAME];
        for (to, from) in copy.iter_mut().zip(name) {
            *to = *from;
            if *to == 0 {
                break;
            }
        }
        Owner::Module(copy, offset)
    }
}

impl Owner {
    /// Adds the address to the identity of a point.
    pub(super) fn identify(&self, identity: Identity) -> Identity {
        match self {
            Self::Kernel(offset) => identity.frame(b"", *offset),
            Self::Module(name, offset) => identity.frame(until_nul(name), *offset),
            // The address of generated code differs between boots, so it is no part of an identity.
            Self::Generated => identity,
        }
    }
}

/// Returns the bytes before the first NUL.
pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Text that is built in memory.
pub(super) struct Text(pub(super) KVec<u8>);

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0
            .extend_from_slice(text.as_bytes(), GFP_KERNEL)
            .map_err(|_| fmt::Error)
    }
}

/// Writes the name of a return address.
///
/// # Context
///
/// Any.
pub(super) fn write_name(address: usize, buffer: &mut [u8], f: &mut dyn fmt::Write) -> fmt::Result {
    if buffer.len() < bindings::KSYM_SYMBOL_LEN {
        return Err(fmt::Error);
    }
    // SAFETY: `sprint_symbol()` writes at most `KSYM_SYMBOL_LEN` bytes, and `buffer` has room for
    // these.
    unsafe { bindings::sprint_symbol(buffer.as_mut_ptr(), address.wrapping_sub(1)) };
    let text = core::str::from_utf8(until_nul(buffer)).map_err(|_| fmt::Error)?;
    match Frame::before(text) {
        Some(frame) => f.write_fmt(format_args!("{frame}")),
        None => f.write_str("unknown"),
    }
}
