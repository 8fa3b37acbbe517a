// SPDX-License-Identifier: GPL-2.0

//! Tests threads that call a function periodically.

use kernel::prelude::*;

#[kunit_tests(tackle_periodic)]
mod tests {
    use kernel::{
        prelude::*,
        sync::{
            atomic::{Atomic, Relaxed},
            Arc,
        },
        time::{delay::fsleep, Delta},
    };
    use tackle::{expect_eq, kunit::Faults, periodic::Periodic};

    fn counting(calls: &Arc<Atomic<u64>>, ms: u32) -> Result<Periodic> {
        let calls = calls.clone();
        Periodic::new(c"tackle_kunit", move || {
            calls.store(calls.load(Relaxed) + 1, Relaxed);
            ms
        })
    }

    #[test]
    fn calls_come_until_it_is_dropped() -> Result {
        let calls = Arc::new(Atomic::new(0u64), GFP_KERNEL)?;
        let periodic = counting(&calls, 1)?;
        while calls.load(Relaxed) < 3 {
            fsleep(Delta::from_millis(1));
        }
        drop(periodic);
        let after = calls.load(Relaxed);
        fsleep(Delta::from_millis(20));
        expect_eq!(calls.load(Relaxed), after);
        Ok(())
    }

    #[test]
    fn a_drop_does_not_wait_for_the_time_to_pass() -> Result {
        let calls = Arc::new(Atomic::new(0u64), GFP_KERNEL)?;
        let periodic = counting(&calls, u32::MAX / 2)?;
        while calls.load(Relaxed) == 0 {
            fsleep(Delta::from_millis(1));
        }
        // If this waited until the time is over, the test would take 24 days.
        drop(periodic);
        expect_eq!(calls.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn without_a_thread_nothing_is_called() -> Result {
        let calls = Arc::new(Atomic::new(0u64), GFP_KERNEL)?;
        let faults = Faults::next(1);
        let periodic = counting(&calls, 1);
        drop(faults);
        expect_eq!(periodic.err(), Some(ENOMEM));
        expect_eq!(calls.load(Relaxed), 0);
        Ok(())
    }
}
