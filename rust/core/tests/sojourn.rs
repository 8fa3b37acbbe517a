// SPDX-License-Identifier: GPL-2.0

//! The histogram of sojourn times, with whatever times there are.

use proptest::collection::vec;
use proptest::prelude::*;
use tackle_core::codel::{buckets, Bucket, SojournHistogram, Time, BUCKETS};

/// Any magnitude as likely as any other.
fn time() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0..32u32).prop_map(|(bits, shift)| bits >> shift)
}

fn counted(times: &[u32]) -> SojournHistogram {
    let histogram = SojournHistogram::new();
    times.iter().for_each(|units| histogram.add(Time(*units)));
    histogram
}

/// In microseconds, without the end of the 32 bits.
fn us(units: u32) -> u64 {
    u64::from(units) * 1024 / 1000
}

proptest! {
    #[test]
    fn a_time_is_within_its_bucket(units in time()) {
        let all: Vec<Bucket> = buckets(counted(&[units]).words()).collect();
        let [bucket] = all[..] else {
            panic!("expected one bucket, got {all:?}");
        };
        prop_assert_eq!(bucket.count, 1);
        let (low, high) = (u64::from(bucket.low), u64::from(bucket.high));
        prop_assert!(low <= us(units), "{units} in {bucket:?}");
        prop_assert!(us(units) < high || high == u64::from(u32::MAX), "{units} in {bucket:?}");
        // A quarter of what it starts at, and what was rounded.
        prop_assert!(high - low <= low / 4 + 2, "{bucket:?}");
    }

    #[test]
    fn all_times_are_counted_in_order(times in vec(time(), 0..200)) {
        let histogram = counted(&times);
        prop_assert!(histogram.words().count() <= BUCKETS + 1);
        let all: Vec<Bucket> = buckets(histogram.words()).collect();
        prop_assert_eq!(all.iter().map(|bucket| bucket.count).sum::<u64>(), times.len() as u64);
        prop_assert!(all.windows(2).all(|pair| pair[0].high <= pair[1].low));
    }

    #[test]
    fn whatever_words_come_are_read(words in vec(any::<u64>(), 0..300), first in 0..200u64) {
        let all: Vec<Bucket> = buckets([first].into_iter().chain(words)).collect();
        prop_assert!(all.len() <= BUCKETS);
        prop_assert!(all.iter().all(|bucket| bucket.low < bucket.high));
    }
}
