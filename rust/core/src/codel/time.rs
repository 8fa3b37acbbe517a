// SPDX-License-Identifier: GPL-2.0

//! Implements the clock of CoDel.

/// The base-2 logarithm of the nanoseconds in one unit of [`Time`].
const SHIFT: u32 = 10;

/// The maximum of target, interval and CE threshold, in microseconds: 36 minutes.
///
/// One microsecond more is [`Time::DISABLED`]. Longer times are 2^31 units or more, which are
/// negative as signed differences, so a queue would drop at once. The C originals accept all
/// values.
pub const MAX_US: u32 = 2_199_023_254;

/// A point in time or a length of time, in units of 1024 ns.
///
/// Points in time wrap around every 2^32 units (about 73 minutes). Two points can be compared if
/// they are less than half of that apart. This is why the type is not [`Ord`].
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[repr(transparent)]
pub struct Time(
    /// The number of units.
    pub u32,
);

impl Time {
    /// The value of [`ce_threshold`](super::Params::ce_threshold) that disables the threshold.
    pub const DISABLED: Time = Time(i32::MAX as u32);

    /// Converts the time of a clock in nanoseconds (such as `ktime_get_ns()`), truncated to the
    /// range of the type.
    #[inline]
    pub const fn from_ns(ns: u64) -> Self {
        Time((ns >> SHIFT) as u32)
    }

    /// Converts a duration in microseconds, rounded down to units.
    #[inline]
    pub const fn from_us(us: u32) -> Self {
        // No overflow: the product is below 2^42.
        Time((us as u64).wrapping_mul(1000).wrapping_shr(SHIFT) as u32)
    }

    /// Converts an option in microseconds that a user sets, rounded down to units. Returns
    /// [`None`] if it is longer than [`MAX_US`].
    pub const fn from_option_us(us: u32) -> Option<Self> {
        if us > MAX_US {
            return None;
        }
        Some(Self::from_us(us))
    }

    /// Returns a duration in microseconds, rounded down. Only its lowest 32 bits are returned.
    #[inline]
    pub const fn to_us(self) -> u32 {
        (((self.0 as u64) << SHIFT) / 1000) as u32
    }

    /// Returns an option in microseconds, as users see it. It is rounded up, so that
    /// [`from_option_us`](Self::from_option_us) returns the same time.
    ///
    /// The C originals round down, so they show 5000 as 4999, and 4999 as 4998.
    pub const fn to_option_us(self) -> u32 {
        ((self.0 as u64) << SHIFT).div_ceil(1000) as u32
    }

    /// Returns the point in time that is `length` after this one.
    #[inline]
    #[must_use]
    pub const fn plus(self, length: Time) -> Self {
        Time(self.0.wrapping_add(length.0))
    }

    /// Returns the duration from `earlier` to this point.
    #[inline]
    #[must_use]
    pub const fn since(self, earlier: Time) -> Self {
        Time(self.0.wrapping_sub(earlier.0))
    }

    /// Returns the time from `now` to this point in microseconds. It is negative if this point is
    /// in the past. It wraps around from 2^31 microseconds on.
    #[inline]
    pub const fn us_after(self, now: Time) -> i32 {
        let delta = self.since(now).0 as i32;
        let us = Time(delta.unsigned_abs()).to_us() as i32;
        if delta >= 0 {
            us
        } else {
            us.wrapping_neg()
        }
    }

    /// Returns whether this point is later than `other`.
    #[inline]
    pub const fn after(self, other: Time) -> bool {
        (self.since(other).0 as i32) > 0
    }

    /// Returns whether this point is `other` or later.
    #[inline]
    pub const fn after_eq(self, other: Time) -> bool {
        (self.since(other).0 as i32) >= 0
    }

    /// Returns whether this point is earlier than `other`.
    #[inline]
    pub const fn before(self, other: Time) -> bool {
        other.after(self)
    }
}
