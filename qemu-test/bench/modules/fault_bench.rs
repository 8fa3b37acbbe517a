// SPDX-License-Identifier: GPL-2.0

//! Measures the cost of a fault point in a Rust module.
//!
//! `cat /sys/kernel/debug/tackle/fault_bench/{bare,point}` prints the nanoseconds of a thousand
//! rounds of a loop: an empty loop, and a loop with a fault point that is not armed.

#![forbid(unsafe_code)]

use core::hint::black_box;
use kernel::prelude::*;
use tackle::{
    debugfs::{self, Scope},
    fault::Registration,
    time,
};

tackle::module! {
    type: FaultBench,
    name: "fault_bench",
    authors: ["The Tackle developers"],
    description: "Measures fault points",
    license: "GPL",
}

tackle::fault_attr! {
    /// The attribute of the measured point.
    pub FailBench = FAIL_BENCH, c"fail_bench";

    /// The measured point, which is never armed.
    NEVER = "never", ENOMEM;
}

const ROUNDS: u32 = 1000;

#[inline(never)]
fn bare() -> Result<u64> {
    let start = time::mono_fast_ns();
    for n in 0..ROUNDS {
        black_box(n);
    }
    Ok(time::mono_fast_ns() - start)
}

#[inline(never)]
fn point() -> Result<u64> {
    let start = time::mono_fast_ns();
    for n in 0..ROUNDS {
        black_box(n);
        tackle::fault_point!(NEVER);
    }
    Ok(time::mono_fast_ns() - start)
}

struct FaultBench {
    // The fields are dropped in this order.
    _files: Pin<KBox<Scope<()>>>,
    _faults: Registration<FailBench>,
}

impl kernel::Module for FaultBench {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let faults = Registration::new()?;
        let root = debugfs::root()?;
        let files = root.scope((), c"fault_bench", |(), dir| {
            dir.read_callback_file(c"bare", &(), &|(), f| {
                writeln!(f, "{}", bare().unwrap_or_default())
            });
            dir.read_callback_file(c"point", &(), &|(), f| {
                writeln!(f, "{}", point().unwrap_or_default())
            });
        });
        Ok(Self {
            _files: KBox::pin_init(files, GFP_KERNEL)?,
            _faults: faults,
        })
    }
}
