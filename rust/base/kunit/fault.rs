// SPDX-License-Identifier: GPL-2.0

//! Implements the control of the library's fault attribute by KUnit tests.

use crate::fault::{Attributed, Point, FAIL_SETUP};
use core::sync::atomic::Ordering::Relaxed;
use tackle_core::fault::Attr;

/// Makes all points of the library's fault attribute fail each time, without log lines, until this
/// is dropped. After that no point fails.
///
/// This derefs to the settings of the attribute.
pub struct Faults(());

impl Faults {
    /// Makes the next `times` passed points fail; all points if `times` is -1.
    pub fn next(times: i32) -> Self {
        let faults = Self(());
        reset();
        faults.verbose.store(0, Relaxed);
        faults.times.store(times, Relaxed);
        faults.probability.store(100, Relaxed);
        FAIL_SETUP.refresh();
        faults
    }

    /// Makes one point fail: the one that is passed after `spared` other points.
    pub fn after(spared: i32) -> Self {
        let faults = Self::next(1);
        faults.space.store(spared.saturating_add(1), Relaxed);
        faults
    }
}

impl core::ops::Deref for Faults {
    type Target = Attr;

    fn deref(&self) -> &Attr {
        &FAIL_SETUP.settings
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        reset();
    }
}

/// Resets the settings to their defaults.
fn reset() {
    let fresh = Attr::new();
    // First: with a probability of 0, the other settings have no effect.
    let settings = &FAIL_SETUP.settings;
    settings
        .probability
        .store(fresh.probability.into_inner(), Relaxed);
    FAIL_SETUP.refresh();
    settings
        .interval
        .store(fresh.interval.into_inner(), Relaxed);
    settings.times.store(fresh.times.into_inner(), Relaxed);
    settings.space.store(fresh.space.into_inner(), Relaxed);
    settings.verbose.store(fresh.verbose.into_inner(), Relaxed);
    settings
        .task_filter
        .store(fresh.task_filter.into_inner(), Relaxed);
    settings.count.store(fresh.count.into_inner(), Relaxed);
}

/// Returns how often a point was passed while faults were on, and how often it failed.
pub fn counts<A: Attributed>(point: &Point<A>) -> (u64, u64) {
    point.counts()
}
