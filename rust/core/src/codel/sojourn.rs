// SPDX-License-Identifier: GPL-2.0

//! Implements a histogram of sojourn times, with four buckets for each power of two.

use super::Time;
use core::iter::once;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The base-2 logarithm of the number of buckets for each power of two.
const SUB_BITS: u32 = 2;
const SUBS: u32 = 1 << SUB_BITS;

/// The number of buckets: one for each of the times 0 to 3, and four for each power of two from 4
/// on. So the width of a bucket is at most a quarter of its times.
pub const BUCKETS: usize = ((u32::BITS - SUB_BITS + 1) * SUBS) as usize;

/// Counts sojourn times. It can be read without a lock while times are added.
pub struct SojournHistogram([AtomicU64; BUCKETS]);

/// A bucket that has packets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bucket {
    /// The lower limit of the bucket, inclusive, in microseconds, rounded down.
    pub low: u32,
    /// The upper limit of the bucket, exclusive, in microseconds, rounded down.
    pub high: u32,
    /// The number of packets.
    pub count: u64,
}

impl Default for SojournHistogram {
    fn default() -> Self {
        Self::new()
    }
}

impl SojournHistogram {
    /// Creates an empty histogram.
    pub const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; BUCKETS])
    }

    /// Counts a packet with the sojourn time `sojourn`.
    ///
    /// If two CPUs add at the same time, one packet may be lost. So no locked instruction is
    /// needed. In a qdisc this does not happen, since its lock allows only one dequeue at a time.
    #[inline]
    pub fn add(&self, sojourn: Time) {
        if let Some(bucket) = self.0.get(index(sojourn.0)) {
            bucket.store(bucket.load(Relaxed).wrapping_add(1), Relaxed);
        }
    }

    /// Returns the histogram in the format of the netlink attribute: the index of the first bucket
    /// that has packets, and the counts of all buckets from that one to the last one that has
    /// packets. There are at most [`BUCKETS`] + 1 words. [`buckets`] reads them.
    pub fn words(&self) -> impl Iterator<Item = u64> + '_ {
        let has_some = |count: &AtomicU64| count.load(Relaxed) != 0;
        let first = self.0.iter().position(has_some).unwrap_or(0);
        let last = self.0.iter().rposition(has_some);
        let end = last.map_or(first, |last| last.wrapping_add(1));
        // CAST: The number is small.
        once(first as u64).chain(
            self.0
                .iter()
                .take(end)
                .skip(first)
                .map(|count| count.load(Relaxed)),
        )
    }
}

/// Returns the buckets in [`SojournHistogram::words`] that have packets, shortest times first.
///
/// Words after the last bucket are ignored.
pub fn buckets(words: impl IntoIterator<Item = u64>) -> impl Iterator<Item = Bucket> {
    let mut words = words.into_iter();
    let first = words.next().unwrap_or(0);
    (first..BUCKETS as u64)
        .zip(words)
        .filter(|(_, count)| *count != 0)
        .map(|(index, count)| Bucket {
            low: low_us(index),
            high: low_us(index.saturating_add(1)),
            count,
        })
}

/// Returns the index of the bucket of a time in units.
#[inline]
fn index(units: u32) -> usize {
    let octave = units.checked_ilog2().unwrap_or(0);
    let Some(shift) = octave.checked_sub(SUB_BITS) else {
        return units as usize;
    };
    // The leading 1 bit adds SUBS, which skips the buckets of the times below the first power of
    // two.
    (shift.wrapping_mul(SUBS)).wrapping_add(units.wrapping_shr(shift)) as usize
}

/// Returns the shortest time of a bucket, in microseconds. For the index after the last bucket it
/// is the end of the range.
fn low_us(index: u64) -> u32 {
    let subs = u64::from(SUBS);
    let units = match (index / subs).checked_sub(1) {
        None => index,
        Some(shift) => (subs + index % subs) << shift.min(u64::from(u32::BITS)),
    };
    match u32::try_from(units) {
        Ok(units) => Time(units).to_us(),
        Err(_) => u32::MAX,
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn read(histogram: &SojournHistogram) -> Vec<Bucket> {
        buckets(histogram.words()).collect()
    }

    #[test]
    fn all_buckets_can_be_reached_and_touch() {
        let histogram = SojournHistogram::new();
        for index in 0..BUCKETS as u64 {
            let subs = u64::from(SUBS);
            let units = match index / subs {
                0 => index,
                octave => (subs + index % subs) << (octave - 1),
            };
            histogram.add(Time(units as u32));
        }
        let all = read(&histogram);
        assert_eq!(all.len(), BUCKETS);
        assert!(all.iter().all(|bucket| bucket.count == 1));
        for pair in all.windows(2) {
            assert_eq!(pair[0].high, pair[1].low);
            assert!(pair[0].low < pair[0].high);
        }
        assert_eq!((all[0].low, all[BUCKETS - 1].high), (0, u32::MAX));
        assert_eq!(histogram.words().count(), BUCKETS + 1);
    }

    #[test]
    fn an_empty_one_has_no_buckets() {
        let histogram = SojournHistogram::new();
        assert_eq!(histogram.words().collect::<Vec<_>>(), [0]);
        assert!(read(&histogram).is_empty());
    }

    #[test]
    fn what_travels_is_from_the_first_to_the_last() {
        let histogram = SojournHistogram::new();
        for units in [5000, 9, 5000, 8, 5119, 10] {
            histogram.add(Time(units));
        }
        let words: Vec<_> = histogram.words().collect();
        assert_eq!(words[..4], [8, 2, 1, 0]);
        assert_eq!(words.last(), Some(&3));
        let expected = [(8, 10, 2), (10, 12, 1), (4194, 5242, 3)];
        assert_eq!(
            read(&histogram),
            expected.map(|(low, high, count)| Bucket { low, high, count })
        );
    }

    #[test]
    fn what_is_odd_is_left_out() {
        assert_eq!(buckets([]).count(), 0);
        assert_eq!(buckets([u64::MAX, 1, 1]).count(), 0);
        assert_eq!(buckets([BUCKETS as u64 - 1, 1, 1]).count(), 1);
    }
}
