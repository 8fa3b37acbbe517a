// SPDX-License-Identifier: GPL-2.0

//! Implements sorting in place without panics: insertion sort for short lists, and heap sort for
//! long lists.

/// Sorts `items` by insertion. `before` returns whether its first argument must come before its
/// second one. Equal items keep their order.
///
/// The kernel does not use the standard library's sort, since it needs much stack, and since
/// objtool cannot follow its panic for an inconsistent order.
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

/// Sorts `items` by a heap in O(n log n) steps. `before` returns whether its first argument must
/// come before its second one. Equal items may change their order.
pub fn heap_sort<T: Copy>(items: &mut [T], before: impl Fn(&T, &T) -> bool) {
    let len = items.len();
    for root in (0..len / 2).rev() {
        sift_down(items, root, len, &before);
    }
    for end in (1..len).rev() {
        swap(items, 0, end);
        sift_down(items, 0, end, &before);
    }
}

/// Restores the heap of the first `len` items if only `root` may violate its order.
fn sift_down<T: Copy>(
    items: &mut [T],
    mut root: usize,
    len: usize,
    before: &impl Fn(&T, &T) -> bool,
) {
    let is_before = |items: &[T], left, right| match (items.get(left), items.get(right)) {
        (Some(left), Some(right)) => before(left, right),
        _ => false,
    };
    loop {
        let left = 2 * root + 1;
        if left >= len {
            return;
        }
        let right = left + 1;
        let last = if right < len && is_before(items, left, right) {
            right
        } else {
            left
        };
        if !is_before(items, root, last) {
            return;
        }
        swap(items, root, last);
        root = last;
    }
}

/// Exchanges two items. Does nothing if an index is out of range.
fn swap<T: Copy>(items: &mut [T], left: usize, right: usize) {
    let (Some(&one), Some(&other)) = (items.get(left), items.get(right)) else {
        return;
    };
    if let Some(item) = items.get_mut(left) {
        *item = other;
    }
    if let Some(item) = items.get_mut(right) {
        *item = one;
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

        #[test]
        fn a_heap_sorts_as_the_standard_library(mut items: std::vec::Vec<u16>) {
            let mut expected = items.clone();
            expected.sort_unstable();
            heap_sort(&mut items, |a, b| a < b);
            prop_assert_eq!(items, expected);
        }
    }
}
