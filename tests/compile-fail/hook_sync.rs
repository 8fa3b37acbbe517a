// SPDX-License-Identifier: GPL-2.0

//! A handler that two CPUs must not use at the same time.

#![forbid(unsafe_code)]

use core::cell::Cell;
use tackle::ftrace::{Call, EntryHandler};

pub struct Counter(Cell<u64>);

// The mark has to stay on its line.
#[rustfmt::skip]
impl EntryHandler for Counter { //~ ERROR `Cell<u64>` cannot be shared between threads safely
    fn entry(&self, _call: &Call) {
        self.0.set(self.0.get() + 1);
    }
}
