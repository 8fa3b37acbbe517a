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
