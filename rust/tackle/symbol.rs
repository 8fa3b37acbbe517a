// SPDX-License-Identifier: GPL-2.0

//! From a kernel function's name to its address.
//!
//! C header: [`include/linux/kprobes.h`](srctree/include/linux/kprobes.h)
//!
//! `kallsyms_lookup_name()` is not exported. `register_kprobe()` is, and does the
//! same look-up; a kprobe that is registered disabled arms nothing.

use crate::{bindings, fault};
use kernel::{error::to_result, prelude::*};

/// Returns the address of the kernel function `name`.
///
/// `name` may name a module's function as `module:function`. When several symbols
/// have the same name, the first one in the kernel's table is taken.
///
/// What the symbol stands for is not looked at: it may be data, or a function that nothing
/// can be attached to.
///
/// # Errors
///
/// - `ENOENT`: there is no such symbol.
/// - `ENOMEM`: no memory for the look-up.
///
/// # Context
///
/// May sleep; takes the kprobes' mutex.
pub fn lookup(name: &CStr) -> Result<usize> {
    let mut probe: bindings::kprobe = pin_init::zeroed();
    probe.symbol_name = name.as_char_ptr();
    probe.flags = bindings::KPROBE_FLAG_DISABLED;

    fault::REGISTER_KPROBE.check()?;
    // SAFETY: `probe` is valid and stays in its place until it is unregistered below;
    // `symbol_name` outlives it.
    let result = to_result(unsafe { bindings::register_kprobe(&mut probe) });
    let address = probe.addr as usize;
    match result {
        Ok(()) => {
            // SAFETY: `probe` was registered above, and is unregistered this once.
            unsafe { bindings::unregister_kprobe(&mut probe) };
            Ok(address)
        }
        // The name was found, but no kprobe may be there: the kernel keeps them off what
        // kprobes and exceptions use (`/sys/kernel/debug/kprobes/blacklist`). That says
        // nothing about hooks.
        Err(EINVAL) if address != 0 => Ok(address),
        Err(error) => Err(error),
    }
}

/// Returns the name of the module whose code or data is at `address`; empty for the kernel
/// proper.
///
/// # Errors
///
/// `ENOMEM`.
///
/// # Context
///
/// May sleep.
pub(crate) fn module_of(address: usize) -> Result<KVec<u8>> {
    const LEN: usize = bindings::KSYM_SYMBOL_LEN;
    let mut text = KVec::from_elem(0u8, LEN, GFP_KERNEL)?;
    // SAFETY: `text` has room for what it writes: at most `KSYM_SYMBOL_LEN` bytes.
    let len = unsafe { bindings::sprint_symbol_no_offset(text.as_mut_ptr(), address) };
    // `function [module]`, and perhaps more in the brackets.
    let text = text.get(..len as usize).unwrap_or_default();
    let module = text
        .iter()
        .position(|&byte| byte == b'[')
        .map(|at| &text[at + 1..]);
    let name = module.and_then(|rest| rest.split(|byte| matches!(byte, b' ' | b']')).next());
    let mut owner = KVec::new();
    owner.extend_from_slice(name.unwrap_or_default(), GFP_KERNEL)?;
    Ok(owner)
}
