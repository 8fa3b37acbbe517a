// SPDX-License-Identifier: GPL-2.0

//! Implements a live patch with callbacks for the kernel and two modules, like the kernel's
//! `test_klp_callbacks_demo.c`.

#![forbid(unsafe_code)]

use kernel::bindings::work_struct;
use tackle::{function::Pointer, livepatch::Original};

mod livepatch_log;
use livepatch_log::Log;

tackle::header! {
    mod busy_h = "qemu-test/rig/test_klp_callbacks_busy";

    /// Runs while its module's parameter `block_transition` is set.
    BusyWork: fn busymod_work_func(*mut work_struct), replaceable;
}

tackle::livepatch! {
    name: "livepatch_callbacks",
    authors: ["The Tackle developers"],
    description: "Live patch with callbacks",
    license: "GPL",
    objects: [
        { functions: [], callbacks: Log },
        { module: c"test_klp_callbacks_mod", functions: [], callbacks: Log },
        {
            module: c"test_klp_callbacks_busy",
            functions: [BusyWork => busy_work],
            callbacks: Log,
        },
    ],
    params: {
        pre_patch_errno: i32 {
            default: 0,
            description: "errno of pre_patch for vmlinux",
        },
        pre_patch_module_errno: i32 {
            default: 0,
            description: "errno of pre_patch for modules",
        },
        call_original: u8 {
            default: 0,
            description: "1: call the function that is replaced",
        },
    },
}

fn pre_patch_errno() -> i32 {
    module_parameters::pre_patch_errno.value()
}

fn pre_patch_module_errno() -> i32 {
    module_parameters::pre_patch_module_errno.value()
}

/// Calls the original, which waits, if the parameter `call_original` is set.
fn busy_work(original: Original<'_, BusyWork>, _: Pointer<'_, *mut work_struct>) {
    if module_parameters::call_original.value() != 0 {
        original.call()
    }
}
