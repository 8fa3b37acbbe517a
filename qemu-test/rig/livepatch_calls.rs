// SPDX-License-Identifier: GPL-2.0

//! Implements a live patch of all functions of `livepatch_target`. The replacements call the
//! original functions.
//!
//! For two functions the patch gives a position, which needs `unsafe`.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use kernel::{
    bindings::seq_file,
    ffi::{c_char, c_int, c_void},
    seq_print,
};
use tackle::{
    function::{position, Pointer, Returned},
    livepatch::Original,
};

tackle::header! {
    mod target_h = "qemu-test/rig/livepatch_target";

    Depth: fn livepatch_target_depth(c_int) -> c_int, replaceable;
    Mix: fn livepatch_target_mix(u8, i16, u32, i64, bool, *const c_char) -> i64, replaceable;
    // SAFETY: There is one function with this name, and it has this prototype.
    Flag: fn livepatch_target_flag() -> bool = unsafe { position(1) }, replaceable;
    Same: fn livepatch_target_pointer(*mut c_void) -> *mut c_void, replaceable;
    Note: fn livepatch_target_note(), replaceable;
    // SAFETY: There are two functions with this name, and both have this prototype.
    Twin: fn livepatch_target_twin() -> c_int = unsafe { position(2) }, replaceable;
    Show: fn livepatch_target_show(*mut seq_file, *mut c_void) -> c_int,
        replaceable, keeps_arguments;
}

tackle::livepatch! {
    name: "livepatch_calls",
    authors: ["The Tackle developers"],
    description: "Live patch that calls the functions that it replaces",
    license: "GPL",
    objects: [{
        module: c"livepatch_target",
        functions: [
            Depth => depth,
            Mix => mix,
            Flag => flag,
            Same => same,
            Note => note,
            Twin => twin,
            Show => show,
        ],
    }],
}

/// The number of calls of [`depth`], plus 100 for each call of [`note`].
static CALLS: AtomicU32 = AtomicU32::new(0);

fn depth(original: Original<'_, Depth>, _n: c_int) -> c_int {
    CALLS.fetch_add(1, Relaxed);
    original.call()
}

/// Returns the negated sum, or 0 if the arguments are not what their caller passed.
fn mix(
    original: Original<'_, Mix>,
    a: u8,
    b: i16,
    c: u32,
    d: i64,
    e: bool,
    f: Pointer<'_, *const c_char>,
) -> i64 {
    let as_passed = (a, b, c, d, e) == (200, -300, 4_000_000_000, -5_000_000_000, true);
    if as_passed && !f.is_null() {
        -original.call()
    } else {
        0
    }
}

fn flag(original: Original<'_, Flag>) -> bool {
    !original.call()
}

fn same<'a>(original: Original<'a, Same>, pointer: Pointer<'a, *mut c_void>) -> Returned<'a, Same> {
    let returned = original.call();
    if returned.address() == pointer.address() {
        pointer.into()
    } else {
        Pointer::null()
    }
}

/// Adds 100 calls to the count, to distinguish them from other calls.
fn note(original: Original<'_, Note>) {
    original.call();
    CALLS.fetch_add(100, Relaxed);
}

fn twin(original: Original<'_, Twin>) -> c_int {
    10 * original.call()
}

fn show(
    original: Original<'_, Show>,
    m: Pointer<'_, *mut seq_file>,
    _: Pointer<'_, *mut c_void>,
) -> c_int {
    CALLS.store(0, Relaxed);
    let result = original.call_keeping();
    if let Some(m) = m.get(&original) {
        seq_print!(m, "calls {}\n", CALLS.load(Relaxed));
    }
    result
}
