// SPDX-License-Identifier: GPL-2.0

//! The table of NUMA faults: rows, pids that are used again, full tables, and
//! many threads at once.

use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use tackle_core::numa::{
    capacity, OutOfRange, RecordError, Row, Table, TaskId, TaskSlot, MAX_SLOTS, MIN_SLOTS, PROBES,
};

const NODES: usize = 4;

/// More than the time by which two tasks of one pid must be apart.
const LATER: u64 = 1 << 21;

fn slots(count: usize) -> Vec<TaskSlot<NODES>> {
    (0..count).map(|_| TaskSlot::new()).collect()
}

fn task(pid: i32) -> TaskId {
    let mut comm = [0; 16];
    let name = format!("task{pid}");
    comm[..name.len()].copy_from_slice(name.as_bytes());
    TaskId {
        pid,
        tgid: pid / 10,
        comm,
        start: 5_000_000_000,
    }
}

fn rows(table: &Table<'_, NODES>) -> BTreeMap<i32, Row<NODES>> {
    let mut rows = BTreeMap::new();
    for row in table.iter() {
        assert_eq!(rows.insert(row.pid, row), None, "two rows of one task");
    }
    rows
}

fn total(table: &Table<'_, NODES>) -> u64 {
    table.iter().flat_map(|row| row.faults).sum()
}

#[test]
fn faults_are_counted_by_task_and_node() {
    let slots = slots(64);
    let table = Table::new(&slots);
    assert_eq!(table.iter().count(), 0);
    assert_eq!(table.record(&task(70), 0, 3, false), Ok(()));
    assert_eq!(table.record(&task(70), 2, 5, true), Ok(()));
    assert_eq!(table.record(&task(71), 2, 1, false), Ok(()));
    assert_eq!(table.record(&task(70), 2, 1, false), Ok(()));
    let rows = rows(&table);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[&70].faults, [3, 0, 6, 0]);
    assert_eq!((rows[&70].migrated, rows[&70].tgid), (5, 7));
    assert_eq!(rows[&70].comm(), b"task70");
    assert_eq!((rows[&71].faults, rows[&71].migrated), ([0, 0, 1, 0], 0));
}

#[test]
fn a_new_name_is_taken_over() {
    let slots = slots(64);
    let table = Table::new(&slots);
    let mut task = task(5);
    assert_eq!(table.record(&task, 0, 1, false), Ok(()));
    task.comm = *b"sixteen letters!";
    assert_eq!(table.record(&task, 0, 1, false), Ok(()));
    let row = rows(&table)[&5];
    assert_eq!(row.comm(), b"sixteen letters!");
    assert_eq!(row.faults[0], 2);
}

#[test]
fn what_is_no_task_or_node_is_refused() {
    let slots = slots(64);
    let table = Table::new(&slots);
    for pid in [0, -1, i32::MIN] {
        let result = table.record(&TaskId { pid, ..task(1) }, 0, 1, false);
        assert_eq!(result, Err(RecordError::BadPid));
    }
    for node in [NODES, usize::MAX] {
        let result = table.record(&task(1), node, 1, false);
        assert_eq!(result, Err(RecordError::BadNode));
    }
    assert_eq!(table.iter().count(), 0);
}

#[test]
fn a_pid_that_is_used_again_starts_at_zero() {
    let slots = slots(64);
    let table = Table::new(&slots);
    let old = task(9);
    assert_eq!(table.record(&old, 0, 100, true), Ok(()));
    let new = TaskId {
        start: old.start + LATER,
        comm: *b"new\0\0\0\0\0\0\0\0\0\0\0\0\0",
        ..old
    };
    assert_eq!(table.record(&new, 1, 1, false), Ok(()));
    let row = rows(&table)[&9];
    assert_eq!((row.faults, row.migrated), ([0, 1, 0, 0], 0));
    assert_eq!(row.comm(), b"new");
}

#[test]
fn a_full_table_keeps_what_it_has() {
    let slots = slots(PROBES);
    let table = Table::new(&slots);
    for pid in 1..=PROBES as i32 {
        assert_eq!(table.record(&task(pid), 0, 1, false), Ok(()));
    }
    assert_eq!(table.record(&task(99), 0, 1, false), Err(RecordError::Full));
    assert_eq!(table.record(&task(1), 0, 1, false), Ok(()));
    assert_eq!(rows(&table).len(), PROBES);
    assert_eq!(total(&table), PROBES as u64 + 1);
    // A later task of a known pid has its slot even so.
    let mut later = task(2);
    later.start += LATER;
    assert_eq!(table.record(&later, 3, 7, false), Ok(()));
    assert_eq!(rows(&table)[&2].faults, [0, 0, 0, 7]);
}

#[test]
fn a_clear_makes_room() {
    let slots = slots(PROBES);
    let table = Table::new(&slots);
    for pid in 1..=PROBES as i32 {
        assert_eq!(table.record(&task(pid), 0, 1, true), Ok(()));
    }
    table.clear();
    assert_eq!(table.iter().count(), 0);
    for pid in 100..100 + PROBES as i32 {
        assert_eq!(table.record(&task(pid), 1, 2, false), Ok(()));
    }
    let rows = rows(&table);
    assert_eq!(rows.len(), PROBES);
    assert!(rows.values().all(|row| row.faults == [0, 2, 0, 0]));
    assert!(rows.values().all(|row| row.migrated == 0));
}

#[test]
fn tables_of_any_size() {
    for count in [0, 1, 2, 3, 15, 17, 100] {
        let slots = slots(count);
        let table = Table::new(&slots);
        let fits = (1..200).filter(|&pid| table.record(&task(pid), 0, 1, false).is_ok());
        let fits = fits.count();
        let usable = if count == 0 { 0 } else { 1 << count.ilog2() };
        assert!(
            fits <= usable && (usable > PROBES || fits == usable),
            "{count}: {fits}"
        );
        assert_eq!(rows(&table).len(), fits);
    }
}

#[test]
fn tasks_spread_over_the_table() {
    // Pids that come one after the other fit to the last, and others mostly.
    for step in [1, 2, 4, 8, 64, 1_000, 1_024, 4_096] {
        let slots = slots(1_024);
        let table = Table::new(&slots);
        let refused = (1..=768)
            .filter(|i| table.record(&task(i * step), 0, 1, false).is_err())
            .count();
        assert!(refused < 40, "pids {step} apart: {refused} of 768 refused");
    }
}

#[test]
fn capacity_is_a_power_of_two() {
    assert_eq!(capacity(0), Err(OutOfRange));
    assert_eq!(capacity(MIN_SLOTS - 1), Err(OutOfRange));
    assert_eq!(capacity(MIN_SLOTS), Ok(64));
    assert_eq!(capacity(65), Ok(128));
    assert_eq!(capacity(1_024), Ok(1_024));
    assert_eq!(capacity(MAX_SLOTS - 1), Ok(65_536));
    assert_eq!(capacity(MAX_SLOTS), Ok(65_536));
    assert_eq!(capacity(MAX_SLOTS + 1), Err(OutOfRange));
    assert_eq!(capacity(usize::MAX), Err(OutOfRange));
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// The table is a map from the latest task of each pid to its counts.
    #[test]
    fn counts_as_a_map(
        records in vec((1..60i32, 0..4u64, 0..NODES, 0..1_000u64, any::<bool>()), 0..500),
    ) {
        let slots = slots(256);
        let table = Table::new(&slots);
        let mut map = BTreeMap::new();
        let mut clock = BTreeMap::new();
        for (pid, age, node, pages, migrated) in records {
            // Now and then a later task has the pid.
            let start = clock.entry(pid).or_insert(0);
            if age == 0 {
                *start += LATER;
                map.remove(&pid);
            }
            let task = TaskId { start: *start, ..task(pid) };
            prop_assert_eq!(table.record(&task, node, pages, migrated), Ok(()));
            let (faults, moved) = map.entry(pid).or_insert(([0; NODES], 0));
            faults[node] += pages;
            *moved += if migrated { pages } else { 0 };
        }
        map.retain(|_, (faults, _)| faults.iter().any(|&pages| pages > 0));
        let rows = rows(&table).into_iter().map(|(pid, row)| (pid, (row.faults, row.migrated)));
        prop_assert_eq!(rows.collect::<BTreeMap<_, _>>(), map);
    }
}

const THREADS: i32 = 8;
const RECORDS: i32 = 40_000;

#[test]
fn threads_lose_no_count() {
    // All threads record for the same tasks, so they also race for the slots.
    for _ in 0..20 {
        let slots = slots(128);
        let table = Table::new(&slots);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                scope.spawn(move || {
                    for i in 0..RECORDS / 20 {
                        let node = (i + thread) as usize % NODES;
                        let task = task(1 + i % 50);
                        assert_eq!(table.record(&task, node, 2, i % 2 == 0), Ok(()));
                    }
                });
            }
        });
        let rows = rows(&table);
        let per_task = (THREADS * RECORDS / 20 / 50 * 2) as u64;
        assert_eq!(rows.len(), 50);
        for row in rows.values() {
            assert_eq!(row.faults.iter().sum::<u64>(), per_task, "{row:?}");
            let moved = if row.pid % 2 == 1 { per_task } else { 0 };
            assert_eq!(row.migrated, moved, "{row:?}");
        }
    }
}

#[test]
fn threads_know_which_records_were_refused() {
    let slots = slots(64);
    let table = Table::new(&slots);
    let recorded = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let recorded = &recorded;
            scope.spawn(move || {
                for i in 0..RECORDS {
                    let task = task(1 + (i + thread) % 200);
                    if table.record(&task, 0, 1, false).is_ok() {
                        recorded.fetch_add(1, Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(total(&table), recorded.into_inner());
    assert!(rows(&table).len() <= 64);
}

#[test]
fn readers_see_whole_rows() {
    // Each thread is one task after the other on one pid, as the kernel has it.
    // A task counts on one node only and has a name for it: no row may mix.
    let slots = slots(64);
    let table = Table::new(&slots);
    let done = AtomicBool::new(false);
    let mut seen = BTreeSet::new();
    std::thread::scope(|scope| {
        let writers = (1..THREADS).map(|pid| {
            scope.spawn(move || {
                for life in 0..RECORDS as u64 / 20 {
                    let node = life as usize % NODES;
                    let mut task = task(pid);
                    task.start = life * LATER;
                    for _ in 0..20 {
                        assert_eq!(table.record(&task, node, 1, false), Ok(()));
                    }
                }
            })
        });
        let writers = writers.collect::<Vec<_>>();
        scope.spawn(|| {
            for writer in writers {
                writer.join().expect("the writer does not panic");
            }
            done.store(true, Relaxed);
        });
        while !done.load(Relaxed) {
            for row in table.iter() {
                let nodes = row.faults.iter().filter(|&&pages| pages > 0).count();
                assert_eq!(nodes, 1, "{row:?}");
                assert!(row.faults.iter().sum::<u64>() <= 20, "{row:?}");
                seen.insert(row.pid);
            }
        }
    });
    assert!(!seen.is_empty());
    assert_eq!(rows(&table).len(), THREADS as usize - 1);
}

#[test]
fn a_clear_takes_away_but_never_adds() {
    let slots = slots(64);
    let table = Table::new(&slots);
    let recorded = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for pid in 1..THREADS {
            let recorded = &recorded;
            scope.spawn(move || {
                for i in 0..RECORDS {
                    let result = table.record(&task(pid), i as usize % NODES, 1, true);
                    assert_eq!(result, Ok(()));
                    recorded.fetch_add(1, Relaxed);
                }
            });
        }
        for _ in 0..1_000 {
            table.clear();
            // Each thread may be between its addition and `recorded`.
            let seen = total(&table);
            assert!(seen <= recorded.load(Relaxed) + THREADS as u64);
        }
    });
    assert!(total(&table) <= recorded.into_inner());
    // What the clears left behind is usable.
    table.clear();
    for pid in 1..THREADS {
        assert_eq!(table.record(&task(pid), 0, 1, false), Ok(()));
    }
    assert_eq!(rows(&table).len(), THREADS as usize - 1);
}
