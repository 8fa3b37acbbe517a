// SPDX-License-Identifier: GPL-2.0

//! Tests fault attributes: which passes of a point fail.

use kernel::prelude::*;

#[kunit_tests(tackle_fault)]
mod tests {
    use core::sync::atomic::Ordering::Relaxed;
    use kernel::prelude::*;
    use tackle::{
        expect_eq,
        fault::{self, Point},
        kunit::{counts, Faults},
    };

    /// A point that no other test passes at the same time.
    static POINT: &Point = &fault::KLP_ENABLE_PATCH;

    /// Passes the point 12 times. Bit `n` of the result is set if pass `n` failed, counted from 0.
    fn failures() -> u32 {
        let failure = |n: u32| u32::from(POINT.check().is_err()) << n;
        (0..12).map(failure).sum()
    }

    /// Returns how often the point is passed and how often it fails while `f` runs.
    fn counted(f: impl FnOnce() -> u32) -> (u64, u64) {
        let before = counts(POINT);
        f();
        let after = counts(POINT);
        (after.0 - before.0, after.1 - before.1)
    }

    #[test]
    fn nothing_fails_or_counts_by_default() -> Result {
        expect_eq!(failures(), 0);
        expect_eq!(counted(failures), (0, 0));
        Ok(())
    }

    #[test]
    fn times_minus_1_has_no_end() -> Result {
        let faults = Faults::next(-1);
        expect_eq!(failures(), 0xfff);
        expect_eq!(counted(failures), (12, 12));
        expect_eq!(faults.times.load(Relaxed), -1);
        Ok(())
    }

    #[test]
    fn times_are_used_up() -> Result {
        let faults = Faults::next(3);
        expect_eq!(counted(failures), (12, 3));
        expect_eq!(faults.times.load(Relaxed), 0);
        expect_eq!(failures(), 0);
        drop(faults);
        let _faults = Faults::next(3);
        expect_eq!(failures(), 0b111);
        Ok(())
    }

    #[test]
    fn space_spares_the_first_passes() -> Result {
        let faults = Faults::after(4);
        expect_eq!(failures(), 1 << 4);
        expect_eq!(faults.times.load(Relaxed), 0);
        // Each pass costs 1. `space` stops at 1, because it is reduced only while it is larger than
        // that.
        expect_eq!(faults.space.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn interval_3_fails_each_third_pass() -> Result {
        let faults = Faults::next(-1);
        faults.interval.store(3, Relaxed);
        expect_eq!(failures(), 0b1001_0010_0100);
        Ok(())
    }

    #[test]
    fn probability_0_is_off() -> Result {
        let faults = Faults::next(5);
        faults.probability.store(0, Relaxed);
        expect_eq!(counted(failures), (0, 0));
        expect_eq!(faults.times.load(Relaxed), 5);
        Ok(())
    }

    #[test]
    fn probability_50_fails_sometimes() -> Result {
        let faults = Faults::next(-1);
        faults.probability.store(50, Relaxed);
        let failed = (0..1000).filter(|_| POINT.check().is_err()).count();
        // This fails by chance in one of 2^999 runs.
        expect_eq!(matches!(failed, 1..=999), true);
        Ok(())
    }

    #[test]
    fn the_task_filter_spares_a_task_without_the_mark() -> Result {
        let faults = Faults::next(1);
        faults.task_filter.store(true, Relaxed);
        expect_eq!(counted(failures), (12, 0));
        expect_eq!(faults.times.load(Relaxed), 1);
        faults.task_filter.store(false, Relaxed);
        expect_eq!(failures(), 1);
        Ok(())
    }

    #[test]
    fn each_point_has_its_error() -> Result {
        let points = [
            (&fault::QDISC_OPS_ALLOC, ENOMEM),
            (&fault::REGISTER_QDISC, EEXIST),
            (&fault::QDISC_INIT_OPTIONS, EINVAL),
            (&fault::QDISC_INIT_DATA, ENOMEM),
            (&fault::REGISTER_KPROBE, ENOMEM),
            (&fault::FTRACE_SET_FILTER, ENOMEM),
            (&fault::REGISTER_FTRACE_FUNCTION, ENOMEM),
            (&fault::KLP_ENABLE_PATCH, ENOMEM),
        ];
        let _faults = Faults::next(-1);
        for (point, error) in points {
            expect_eq!(point.check(), Err(error));
        }
        Ok(())
    }
}
