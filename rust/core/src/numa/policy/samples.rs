// SPDX-License-Identifier: GPL-2.0

//! Implements the choice of the places at which memory that cannot move is looked up.

/// The size of the smallest huge page in bytes.
const HUGE_PAGE: u64 = 2 << 20;

/// Places in the memory of one process.
#[derive(Clone, Copy, Debug)]
pub struct Samples {
    /// The number of places.
    pub count: u64,
    /// The number of bytes that each place represents.
    pub distance: u64,
}

impl Samples {
    /// Chooses places in `bytes` bytes of huge pages: one in each huge page, but at most `most`.
    pub fn new(bytes: u64, most: u64) -> Self {
        let count = (bytes / HUGE_PAGE).min(most);
        Self {
            count,
            distance: bytes.checked_div(count).unwrap_or(0),
        }
    }

    /// Returns the offsets of the places in bytes, in rising order. Each part of `distance` bytes
    /// has one place, at a pseudo-random offset. Places at equal distances could all be on one node
    /// if the memory is interleaved over nodes.
    pub fn offsets(self) -> impl Iterator<Item = u64> {
        let Self { count, distance } = self;
        (0..count).map(move |sample| {
            let within = mix(sample).checked_rem(distance).unwrap_or(0);
            sample * distance + within
        })
    }
}

/// Returns a pseudo-random number for each number, by the finalizer of SplitMix64 (Steele, Lea and
/// Flood: Fast splittable pseudorandom number generators, 2014).
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interleaved_memory_is_on_each_node_alike() {
        for nodes in [2, 3, 4, 8] {
            for huge_pages in [128, 256, 1000, 4096, 1 << 19] {
                let samples = Samples::new(huge_pages * HUGE_PAGE, 256);
                let mut counts = [0u64; 8];
                for offset in samples.offsets() {
                    assert!(offset < huge_pages * HUGE_PAGE);
                    counts[(offset / HUGE_PAGE % nodes) as usize] += 1;
                }
                let fair = samples.count / nodes;
                let is_fair = |count: &u64| count.abs_diff(fair) * 3 <= fair + 8;
                assert!(
                    counts[..nodes as usize].iter().all(is_fair),
                    "{huge_pages} huge pages on {nodes} nodes: {counts:?}"
                );
            }
        }
    }

    #[test]
    fn each_of_few_pages_is_looked_up() {
        let samples = Samples::new(5 * HUGE_PAGE, 256);
        let pages = samples.offsets().map(|offset| offset / HUGE_PAGE);
        assert!(pages.eq(0..5));
        assert_eq!(samples.distance, HUGE_PAGE);
        assert_eq!(Samples::new(0, 256).offsets().count(), 0);
        assert_eq!(Samples::new(4096, 256).offsets().count(), 0);
    }
}
