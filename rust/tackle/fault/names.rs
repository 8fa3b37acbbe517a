// SPDX-License-Identifier: GPL-2.0

//! Return addresses: which module has them, and their names.
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

/// Where the text of the kernel is, and how modules are found.
pub(super) struct Map {
    text: core::ops::Range<usize>,
    /// `__module_address()`, as [`call_at`] wants it.
    module_address: usize,
}

/// A return address.
pub(super) enum Owner {
    /// In the kernel proper, at this offset.
    Kernel(u64),
    /// In the module of this name, at this offset.
    Module([u8; MODULE_NAME], u64),
    /// In code that was generated: a trampoline, or BPF.
    Generated,
}

impl Map {
    /// # Errors
    ///
    /// `ENOENT`: the kernel lacks a symbol. `ENOMEM`.
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

    /// Finds what has a return address.
    ///
    /// # Context
    ///
    /// Any, with preemption disabled.
    pub(super) fn owner(&self, address: usize) -> Owner {
        if self.text.contains(&address) {
            // CAST: The same width.
            return Owner::Kernel(address.wrapping_sub(self.text.start) as u64);
        }
        // The call is in front of it.
        let call = address.wrapping_sub(1);
        // CAST: An address.
        let function = self.module_address as *mut c_void;
        // SAFETY: `struct module *__module_address(unsigned long addr)`, for any number. With
        // preemption disabled, a module that it returns is not freed.
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
        // SAFETY: As above. A name does not change.
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
            // Its address is another one in each boot.
            Self::Generated => identity,
        }
    }
}

/// The bytes before the first NUL.
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
    // SAFETY: `buffer` has room for what it writes: at most `KSYM_SYMBOL_LEN` bytes.
    unsafe { bindings::sprint_symbol(buffer.as_mut_ptr(), address.wrapping_sub(1)) };
    let text = core::str::from_utf8(until_nul(buffer)).map_err(|_| fmt::Error)?;
    match Frame::before(text) {
        Some(frame) => f.write_fmt(format_args!("{frame}")),
        None => f.write_str("unknown"),
    }
}
