// SPDX-License-Identifier: GPL-2.0

//! Implements a cumulative live patch that modifies a state, in version 1.

#![forbid(unsafe_code)]

use tackle::livepatch::State;

mod livepatch_keep;
use livepatch_keep::{Keep, ID};

tackle::livepatch! {
    name: "livepatch_state",
    authors: ["The Tackle developers"],
    description: "Live patch with a state",
    license: "GPL",
    objects: [{ functions: [], callbacks: Keep }],
    states: [State::new(ID, 1)],
    replace: true,
}
