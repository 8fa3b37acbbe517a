// SPDX-License-Identifier: GPL-2.0

//! Implements a histogram with a bucket for each power of two.

use core::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// The number of buckets: one for 0, and one for each bit that can be the highest bit of a value.
pub const BUCKETS: usize = 65;

/// Counts values by their highest bit. Several CPUs may add values at the same time.
pub struct Histogram([AtomicU64; BUCKETS]);

/// A bucket that has values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The lowest value in the bucket.
    pub low: u64,
    /// The lowest value above the bucket; `None` if there is none.
    pub high: Option<u64>,
    /// The number of values.
    pub count: u64,
}

impl fmt::Display for Bucket {
    /// Writes `LOW HIGH COUNT`. `HIGH` is `inf` if there is no upper limit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, count) = (self.low, self.count);
        match self.high {
            Some(high) => write!(f, "{low} {high} {count}"),
            None => write!(f, "{low} inf {count}"),
        }
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// Creates an empty histogram.
    pub const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; BUCKETS])
    }

    /// Counts `value`.
    #[inline]
    pub fn add(&self, value: u64) {
        if let Some(bucket) = self.0.get(index(value)) {
            bucket.fetch_add(1, Relaxed);
        }
    }

    /// Returns the buckets that have values, lowest first.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> + '_ {
        self.0.iter().zip(0u32..).filter_map(|(count, bits)| {
            let count = count.load(Relaxed);
            let low = bits.checked_sub(1).map_or(0, |bit| 1 << bit);
            (count != 0).then_some(Bucket {
                low,
                high: 1u64.checked_shl(bits),
                count,
            })
        })
    }
}

/// Returns the number of bits of `value` without leading zeros.
fn index(value: u64) -> usize {
    (u64::BITS - value.leading_zeros()) as usize
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn only(value: u64) -> Bucket {
        let histogram = Histogram::new();
        histogram.add(value);
        let buckets: Vec<_> = histogram.buckets().collect();
        assert_eq!(buckets.len(), 1);
        buckets[0]
    }

    #[test]
    fn a_value_is_within_its_bucket() {
        let edges = (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for value in edges.chain([u64::MAX]) {
            let bucket = only(value);
            assert!(bucket.low <= value, "{value} in {bucket:?}");
            assert!(
                bucket.high.is_none_or(|high| value < high),
                "{value} in {bucket:?}"
            );
            assert_eq!(bucket.count, 1);
        }
    }

    #[test]
    fn buckets_touch() {
        let histogram = Histogram::new();
        histogram.add(0);
        (0..64).for_each(|bit| histogram.add(1 << bit));
        let buckets: Vec<_> = histogram.buckets().collect();
        assert_eq!(buckets.len(), BUCKETS);
        for pair in buckets.windows(2) {
            assert_eq!(pair[0].high, Some(pair[1].low));
        }
        assert_eq!(buckets[BUCKETS - 1].high, None);
    }

    #[test]
    fn what_is_empty_is_left_out() {
        let histogram = Histogram::new();
        assert_eq!(histogram.buckets().count(), 0);
        (0..3).for_each(|_| histogram.add(1000));
        let expected = Bucket {
            low: 512,
            high: Some(1024),
            count: 3,
        };
        assert_eq!(histogram.buckets().collect::<Vec<_>>(), [expected]);
    }
}
