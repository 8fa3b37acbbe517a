// SPDX-License-Identifier: GPL-2.0

//! A hook that has its function return another type than it does.

#![forbid(unsafe_code)]

use kernel::prelude::*;
use tackle::{
    ftrace::{Arguments, Call, OverrideHandler, OverrideHook},
    function::targets::Getpid,
};

struct Fail;

// The mark has to stay on its line.
#[rustfmt::skip]
impl OverrideHandler<Getpid> for Fail {
    fn entry<'a>(&self, _: &'a Call, _: Arguments<'a, Getpid>) -> Option<bool> { //~ ERROR incompatible type for trait
        Some(false)
    }
}

pub fn hook() -> Result {
    KBox::pin_init(OverrideHook::new(Fail), GFP_KERNEL).map(drop)
}
