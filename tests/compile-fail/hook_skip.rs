// SPDX-License-Identifier: GPL-2.0

//! A hook that skips a function on which the memory safety of its callers depends.

#![forbid(unsafe_code)]

use kernel::{bindings::mutex, prelude::*};
use tackle::ftrace::{Arguments, Call, OverrideHandler, OverrideHook};

tackle::function! {
    Unlock: fn mutex_unlock(*mut mutex);
}

struct Skip;

// The mark has to stay on its line.
#[rustfmt::skip]
impl OverrideHandler<Unlock> for Skip { //~ ERROR `Unlock` may not be skipped or replaced by safe code
    fn entry<'a>(&self, _: &'a Call, _: Arguments<'a, Unlock>) -> Option<()> {
        Some(())
    }
}

pub fn hook() -> Result {
    KBox::pin_init(OverrideHook::new(Skip), GFP_KERNEL).map(drop) //~ ERROR `Unlock` may not be skipped or replaced by safe code
}
