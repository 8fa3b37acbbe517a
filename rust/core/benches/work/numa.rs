// SPDX-License-Identifier: GPL-2.0

//! What counting a NUMA hinting fault costs, and a wake-up across nodes.

use std::hint::black_box;

use tackle_core::numa::{Entry, Faulted, Key, Layout, Pair, PairSet, Set, TaskId, Waking};

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

/// Wake-ups by pairs of tasks that have a row, in turn.
pub const WAKEUP: Work = Work {
    name: "numa-wakeup",
    run: |calls| {
        let mut set = PairSet::new(vec![Pair::default(); WAYS]);
        let task = |pid| TaskId {
            pid,
            tgid: pid,
            ..TaskId::default()
        };
        for call in 0..calls {
            set.count(black_box(&Waking {
                waker: Some(task(1000 + (call % WAYS as u32) as i32)),
                wakee: task(7),
                waker_node: 0,
                wakee_node: 1,
            }));
        }
        black_box(set.others());
    },
};
