// SPDX-License-Identifier: GPL-2.0

//! Implements another live patch with callbacks, which can replace all other patches.

#![forbid(unsafe_code)]

mod livepatch_log;
use livepatch_log::Log;

tackle::livepatch! {
    name: "livepatch_callbacks2",
    authors: ["The Tackle developers"],
    description: "Live patch with callbacks, cumulative if asked for",
    license: "GPL",
    objects: [{ functions: [], callbacks: Log }],
    replace: module_parameters::replace.value() != 0,
    params: {
        replace: u8 {
            default: 0,
            description: "1: replace all other patches",
        },
    },
}

fn pre_patch_errno() -> i32 {
    0
}

fn pre_patch_module_errno() -> i32 {
    0
}
