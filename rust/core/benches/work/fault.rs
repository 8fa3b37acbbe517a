// SPDX-License-Identifier: GPL-2.0

//! What passing a fault point costs.

use std::hint::black_box;
use std::sync::atomic::Ordering::Relaxed;

use tackle_core::fault::Attr;

use super::Work;

/// Switched off, as it is nearly always.
pub const OFF: Work = Work {
    name: "fault-off",
    run: |calls| run(calls, &Attr::new()),
};

/// Fails each time.
pub const FAILING: Work = Work {
    name: "fault-failing",
    run: |calls| {
        let attr = Attr::new();
        attr.probability.store(100, Relaxed);
        attr.times.store(-1, Relaxed);
        run(calls, &attr);
    },
};

fn run(calls: u32, attr: &Attr) {
    for _ in 0..calls {
        black_box(black_box(attr).should_fail(black_box(64), false, || true, || 50));
    }
}
