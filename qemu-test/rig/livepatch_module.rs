// SPDX-License-Identifier: GPL-2.0

//! Implements a live patch of a function of a module, like the kernel's `test_klp_mod_patch.c`.

#![forbid(unsafe_code)]

use kernel::{
    bindings::seq_file,
    ffi::{c_int, c_void},
    seq_print,
};
use tackle::{function::Pointer, livepatch::Original};

tackle::header! {
    mod target_h = "qemu-test/rig/test_klp_mod_target";

    /// Prints `/proc/test_klp_mod_target`.
    Show: fn test_klp_mod_target_show(*mut seq_file, *mut c_void) -> c_int, replaceable;
}

tackle::livepatch! {
    name: "livepatch_module",
    authors: ["The Tackle developers"],
    description: "Live patch of a module",
    license: "GPL",
    objects: [{ module: c"test_klp_mod_target", functions: [Show => show] }],
}

fn show(
    original: Original<'_, Show>,
    m: Pointer<'_, *mut seq_file>,
    _: Pointer<'_, *mut c_void>,
) -> c_int {
    if let Some(m) = m.get(&original) {
        seq_print!(m, "livepatch_module: this has been live patched\n");
    }
    0
}
