// SPDX-License-Identifier: GPL-2.0

//! Finds room for the data of an exit hook in the frame of a call.

/// Returns the lowest offset at which `size` bytes are free within `room` bytes. `taken` lists the
/// offsets and sizes that are in use. If all sizes are multiples of eight, the offset is one as
/// well.
pub fn find<I>(taken: impl Fn() -> I, size: usize, room: usize) -> Option<usize>
where
    I: Iterator<Item = (usize, usize)>,
{
    // The lowest free offset is 0, or the end of a range in use.
    let ends = taken().map(|(offset, size)| offset + size);
    let is_free = |&begin: &usize| {
        let overlaps = |(offset, len)| begin < offset + len && offset < begin + size;
        begin + size <= room && !taken().any(overlaps)
    };
    ends.chain([0]).filter(is_free).min()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn among(taken: &[(usize, usize)], size: usize) -> Option<usize> {
        find(|| taken.iter().copied(), size, 64)
    }

    #[test]
    fn the_first_gap_that_is_long_enough() {
        assert_eq!(among(&[], 64), Some(0));
        assert_eq!(among(&[], 72), None);
        assert_eq!(among(&[(0, 8), (24, 8)], 16), Some(8));
        assert_eq!(among(&[(24, 8), (0, 8)], 24), Some(32));
        assert_eq!(among(&[(0, 64)], 8), None);
    }

    proptest! {
        #[test]
        fn none_overlap(sizes in prop::collection::vec(1usize..9, 1..20)) {
            let mut taken: Vec<(usize, usize)> = Vec::new();
            for (n, size) in sizes.iter().map(|size| size * 8).enumerate() {
                match among(&taken, size) {
                    Some(offset) => {
                        prop_assert!(offset % 8 == 0 && offset + size <= 64);
                        for &(other, len) in &taken {
                            prop_assert!(offset + size <= other || other + len <= offset);
                        }
                        taken.push((offset, size));
                    }
                    None => {
                        // There must be no offset at which it fits.
                        for offset in (0..64).step_by(8).filter(|o| o + size <= 64) {
                            let overlaps =
                                |&(other, len)| offset < other + len && other < offset + size;
                            prop_assert!(taken.iter().any(overlaps));
                        }
                    }
                }
                if n % 3 == 2 {
                    taken.remove(0);
                }
            }
        }
    }
}
