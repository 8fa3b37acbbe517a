// SPDX-License-Identifier: GPL-2.0

//! The time of each decision, as criterion's curves: `cargo bench -p tackle_core`, then
//! `criterion/report/index.html` in the target folder. What is compared with C is
//! measured by `rounds.rs`.

mod work;

use std::time::Instant;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for work in work::ALL {
        criterion.bench_function(work.name, |bencher| {
            bencher.iter_custom(|calls| {
                let start = Instant::now();
                (work.run)(u32::try_from(calls).expect("fewer calls than fit in 32 bits"));
                start.elapsed()
            });
        });
    }
    criterion.final_summary();
}
