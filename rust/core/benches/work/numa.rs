// SPDX-License-Identifier: GPL-2.0

//! What counting a NUMA hinting fault costs.

use std::hint::black_box;

use tackle_core::numa::{Table, TaskId, TaskSlot, COMM_LEN, MAX_NODES};

use super::Work;

const SLOTS: usize = 1024;
const TASKS: u32 = 64;

/// Faults of tasks that have had one before, in turn.
pub const RECORD: Work = Work {
    name: "numa-record",
    run: |calls| {
        let slots: Vec<_> = (0..SLOTS).map(|_| TaskSlot::<MAX_NODES>::new()).collect();
        let table = Table::new(&slots);
        for call in 0..calls {
            let task = TaskId {
                pid: (1000 + call % TASKS) as i32,
                tgid: 1000,
                comm: [b'a'; COMM_LEN],
                start: 1 << 32,
            };
            let recorded = table.record(black_box(&task), (call % 2) as usize, 1, true);
            assert!(black_box(recorded).is_ok());
        }
    },
};
