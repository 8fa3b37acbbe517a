// SPDX-License-Identifier: GPL-2.0

//! What counting a NUMA hinting fault costs.

use std::hint::black_box;

use tackle_core::numa::{Entry, Faulted, Key, Layout, Set};

use super::Work;

const LAYOUT: Layout = Layout::new(2);
const WAYS: usize = 16;

/// Faults of tasks that have had one before, in turn.
pub const RECORD: Work = Work {
    name: "numa-record",
    run: |calls| {
        let (entries, words) = (vec![Entry::default(); WAYS], vec![0; WAYS * LAYOUT.words()]);
        let mut set = Set::new(LAYOUT, entries, words);
        for call in 0..calls {
            let key = Key::Task((1000 + call as usize % WAYS) * 0x9800);
            let claimed = set.claim(black_box(key), call.into(), |_, _| ());
            let index = claimed.expect("the set has places").index;
            let fault = Faulted {
                mem_node: (call % 2) as usize,
                pages: 1,
                is_private: Some(true),
                ..Faulted::default()
            };
            set.row_mut(index).fault(black_box(&fault), true);
        }
    },
};
