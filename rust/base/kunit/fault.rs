// SPDX-License-Identifier: GPL-2.0

//! The fault attribute in the hands of a test.

use crate::fault::{Attributed, Point, FAIL_SETUP};
use core::sync::atomic::Ordering::Relaxed;
use tackle_core::fault::Attr;

/// The settings of the library's fault attribute: all points fail each time, and tell
/// nothing, until this is dropped. Then none fails any more.
///
/// What is reached through it are the settings themselves.
pub struct Faults(());

impl Faults {
    /// Makes the next `times` points fail that are passed, or without end when it is -1.
    pub fn next(times: i32) -> Self {
        let faults = Self(());
        reset();
        faults.verbose.store(0, Relaxed);
        faults.times.store(times, Relaxed);
        faults.probability.store(100, Relaxed);
        FAIL_SETUP.refresh();
        faults
    }

    /// Makes the point fail that is passed after `spared` others, and no further one.
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

/// Puts the settings back to those of a fresh library.
fn reset() {
    let fresh = Attr::new();
    // First: from here on the other settings do not matter.
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

/// How often a point was passed while faults were on, and how often it failed.
pub fn counts<A: Attributed>(point: &Point<A>) -> (u64, u64) {
    point.counts()
}
