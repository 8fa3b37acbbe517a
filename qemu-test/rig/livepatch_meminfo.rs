// SPDX-License-Identifier: GPL-2.0

//! Implements a live patch of `/proc/meminfo`, which can replace all other patches, like the
//! kernel's `test_klp_atomic_replace.c`.

#![forbid(unsafe_code)]

use kernel::{
    bindings::seq_file,
    ffi::{c_int, c_void},
    seq_print,
};
use tackle::{
    function::{targets::MeminfoProcShow, Pointer},
    livepatch::Original,
};

tackle::livepatch! {
    name: "livepatch_meminfo",
    authors: ["The Tackle developers"],
    description: "Live patch of /proc/meminfo, cumulative if asked for",
    license: "GPL",
    objects: [{ functions: [MeminfoProcShow => meminfo] }],
    replace: module_parameters::replace.value() != 0,
    params: {
        replace: u8 {
            default: 0,
            description: "1: replace all other patches",
        },
    },
}

fn meminfo(
    original: Original<'_, MeminfoProcShow>,
    m: Pointer<'_, *mut seq_file>,
    _: Pointer<'_, *mut c_void>,
) -> c_int {
    if let Some(m) = m.get(&original) {
        seq_print!(m, "livepatch_meminfo: this has been live patched\n");
    }
    0
}
