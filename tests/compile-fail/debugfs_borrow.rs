// SPDX-License-Identifier: GPL-2.0

//! A file over data that is borrowed for a while.

#![forbid(unsafe_code)]

use kernel::prelude::*;
use tackle::debugfs;

pub fn file(number: &u32) -> Result {
    let root = debugfs::root()?;
    let files = root.scope((), c"borrowed", |(), dir| {
        dir.read_callback_file(c"number", number, &|_, _| Ok(())); //~ ERROR borrowed data escapes outside of function
    });
    KBox::pin_init(files, GFP_KERNEL).map(drop)
}
