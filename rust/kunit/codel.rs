// SPDX-License-Identifier: GPL-2.0

//! CoDel's clock.

use kernel::prelude::*;

#[kunit_tests(tackle_codel)]
mod tests {
    use kernel::{
        prelude::*,
        time::{delay::fsleep, Delta, Instant, Monotonic},
    };
    use tackle::{expect_eq, net::codel::now};

    #[test]
    fn now_runs_like_the_monotonic_clock() -> Result {
        let outside = Instant::<Monotonic>::now();
        let start = now();
        fsleep(Delta::from_millis(5));
        let length = i64::from(now().since(start).to_us());
        // The clock's grain is 1024 ns.
        expect_eq!(length >= 4_998, true);
        expect_eq!(length <= outside.elapsed().as_micros_ceil() + 2, true);
        Ok(())
    }
}
