// SPDX-License-Identifier: GPL-2.0

//! Implements a live patch of the system call getpid(), like the kernel's `test_klp_syscall.c`.
//! Unlike there, the result is changed, so the caller can see whether the patch is used.

#![forbid(unsafe_code)]

use kernel::{bindings::pt_regs, ffi::c_long};
use tackle::{
    function::{targets::Getpid, Pointer},
    livepatch::Original,
};

tackle::livepatch! {
    name: "livepatch_syscall",
    authors: ["The Tackle developers"],
    description: "Live patch of getpid()",
    license: "GPL",
    objects: [{ functions: [Getpid => getpid] }],
}

/// A number that is larger than any pid (`PID_MAX_LIMIT`).
const OFFSET: c_long = 1 << 24;

fn getpid(original: Original<'_, Getpid>, _: Pointer<'_, *const pt_regs>) -> c_long {
    original.call() + OFFSET
}
