// SPDX-License-Identifier: GPL-2.0

//! Implements a live patch of a function whose name occurs twice in `livepatch_target`. The patch
//! gives no position.

#![forbid(unsafe_code)]

use kernel::ffi::c_int;
use tackle::livepatch::Original;

tackle::header! {
    mod target_h = "qemu-test/rig/livepatch_target";

    Twin: fn livepatch_target_twin() -> c_int, replaceable;
}

tackle::livepatch! {
    name: "livepatch_twin",
    authors: ["The Tackle developers"],
    description: "Live patch of a function whose name stands twice",
    license: "GPL",
    objects: [{ module: c"livepatch_target", functions: [Twin => twin] }],
}

fn twin(_: Original<'_, Twin>) -> c_int {
    3
}
