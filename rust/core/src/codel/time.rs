// SPDX-License-Identifier: GPL-2.0

//! The clock of CoDel.

/// log2 of the nanoseconds in one unit of [`Time`].
const SHIFT: u32 = 10;

/// The longest target, interval and CE threshold that CoDel can work with, in microseconds:
/// 36 minutes.
///
/// One microsecond more is [`Time::DISABLED`]. Longer times are 2^31 units or more, which signed
/// differences take for negative: a queue would drop at once. The C originals take all values.
pub const MAX_US: u32 = 2_199_023_254;

/// A point in time or a length of time, in units of 1024 ns.
///
/// Points in time wrap around every 2^32 units (about 73 minutes). Two of them
/// compare rightly while they are less than half of that apart, which is why
/// the type is not [`Ord`].
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[repr(transparent)]
pub struct Time(
    /// The count of units.
    pub u32,
);

impl Time {
    /// The value of [`ce_threshold`](super::Params::ce_threshold) that switches it off.
    pub const DISABLED: Time = Time(i32::MAX as u32);

    /// The time for a clock in nanoseconds (as `ktime_get_ns()`), cut to the
    /// range of the type.
    #[inline]
    pub const fn from_ns(ns: u64) -> Self {
        Time((ns >> SHIFT) as u32)
    }

    /// A length of time given in microseconds, rounded down to units.
    #[inline]
    pub const fn from_us(us: u32) -> Self {
        // No overflow: the product is below 2^42.
        Time((us as u64).wrapping_mul(1000).wrapping_shr(SHIFT) as u32)
    }

    /// An option that a user sets in microseconds, rounded down to units; [`None`] if it is
    /// longer than [`MAX_US`].
    pub const fn from_option_us(us: u32) -> Option<Self> {
        if us > MAX_US {
            return None;
        }
        Some(Self::from_us(us))
    }

    /// A length of time in microseconds, rounded down; the lowest 32 bits of it.
    #[inline]
    pub const fn to_us(self) -> u32 {
        (((self.0 as u64) << SHIFT) / 1000) as u32
    }

    /// An option in microseconds as users see it. It is rounded up, so that
    /// [`from_option_us`](Self::from_option_us) makes the same time of it.
    ///
    /// The C originals round down, so that 5000 is shown as 4999, and 4999 as 4998.
    pub const fn to_option_us(self) -> u32 {
        ((self.0 as u64) << SHIFT).div_ceil(1000) as u32
    }

    /// The point in time that lies `length` after this one.
    #[inline]
    #[must_use]
    pub const fn plus(self, length: Time) -> Self {
        Time(self.0.wrapping_add(length.0))
    }

    /// The time that went by from `earlier` to this point.
    #[inline]
    #[must_use]
    pub const fn since(self, earlier: Time) -> Self {
        Time(self.0.wrapping_sub(earlier.0))
    }

    /// The time from `now` to this point in microseconds, negative when it is past. From
    /// 2^31 microseconds on it wraps around.
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

    /// Whether this point is later than `other`.
    #[inline]
    pub const fn after(self, other: Time) -> bool {
        (self.since(other).0 as i32) > 0
    }

    /// Whether this point is `other` or later.
    #[inline]
    pub const fn after_eq(self, other: Time) -> bool {
        (self.since(other).0 as i32) >= 0
    }

    /// Whether this point is earlier than `other`.
    #[inline]
    pub const fn before(self, other: Time) -> bool {
        other.after(self)
    }
}
