// SPDX-License-Identifier: GPL-2.0

//! Sorting of what is short.

/// Sorts `items` by insertion, where `before` says whether its first argument has to stand
/// before the second one. Equal items keep their order.
///
/// The standard library's sort is not for the kernel: objtool cannot follow how it ends when
/// an order contradicts itself, and it wants stack.
pub fn insertion_sort<T>(items: &mut [T], before: impl Fn(&T, &T) -> bool) {
    for end in 1..=items.len() {
        let (sorted, _) = items.split_at_mut(end);
        let mut rest = sorted;
        while let [.., left, right] = rest {
            if !before(right, left) {
                break;
            }
            core::mem::swap(left, right);
            let len = rest.len() - 1;
            rest = rest.split_at_mut(len).0;
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sorts_as_the_standard_library(mut items: std::vec::Vec<(u8, u16)>) {
            let mut expected = items.clone();
            expected.sort_by_key(|&(key, _)| key);
            insertion_sort(&mut items, |a, b| a.0 < b.0);
            prop_assert_eq!(items, expected);
        }
    }
}
