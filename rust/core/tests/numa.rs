// SPDX-License-Identifier: GPL-2.0

//! The statistics of NUMA balancing: rows, averages, and sets that are full.

use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use tackle_core::numa::{
    set_of, Counter, Entry, Faulted, Key, Layout, Level, Others, Row, RowMut, Set, TaskId, Vector,
};

const LAYOUT: Layout = Layout::new(4);

type VecSet = Set<Vec<Entry>, Vec<u64>>;

fn set(ways: usize) -> VecSet {
    let words = vec![0; ways * LAYOUT.words()];
    Set::new(LAYOUT, vec![Entry::default(); ways], words)
}

fn task(number: usize) -> Key {
    Key::Task(0x9800 * number)
}

fn fault(mem_node: usize, pages: u64, is_private: bool) -> Faulted {
    Faulted {
        mem_node,
        cpu_node: 0,
        pages,
        is_local: mem_node == 0,
        is_private: Some(is_private),
        ..Faulted::default()
    }
}

#[test]
fn counters_have_different_names_and_words() {
    let mut names: Vec<_> = Counter::ALL.iter().map(|counter| counter.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Counter::ALL.len());
    for (index, &counter) in Counter::ALL.iter().enumerate() {
        assert_eq!(counter as usize, index);
    }
}

#[test]
fn numbers_of_the_header_have_counters() {
    assert_eq!(Counter::failed(0), None);
    assert_eq!(Counter::failed(1), Some(Counter::FailedNodeFull));
    assert_eq!(Counter::failed(6), Some(Counter::FailedRefused));
    assert_eq!(Counter::failed(7), None);
    assert_eq!(Counter::scan(0), Some(Counter::ScanScanned));
    assert_eq!(Counter::scan(4), Some(Counter::ScanBusy));
    assert_eq!(Counter::scan(5), None);
    assert_eq!(Counter::skip(0), Some(Counter::SkipUnsuitable));
    assert_eq!(Counter::skip(6), Some(Counter::SkipSeqCompleted));
    assert_eq!(Counter::skip(7), None);
    assert_eq!(Counter::skip(usize::MAX), None);
}

#[test]
fn a_row_reads_as_it_was_counted() {
    let mut words = vec![0; LAYOUT.words()];
    let mut row = RowMut::new(LAYOUT, &mut words);
    row.fault(&fault(0, 3, true), true);
    row.fault(&fault(2, 5, false), true);
    row.add_moved(3, 0, 7);
    row.add_time(Counter::ScanNs, Counter::ScanMaxNs, 10);
    row.add_time(Counter::ScanNs, Counter::ScanMaxNs, 4);
    let row = Row::new(LAYOUT, &words);
    assert_eq!(
        row.to_string(),
        " faults=2 pages=8 local=3 private=3 shared=5 scan_ns=14 scan_max_ns=10 \
         mem=0:3,2:5 cpu=0:8 priv=0:3 moved=3>0:7"
    );
    assert_eq!(row.at(Vector::WindowShared, 2), 5);
}

#[test]
fn nodes_that_there_are_not_count_nothing_else() {
    let mut words = vec![0; LAYOUT.words()];
    let mut row = RowMut::new(LAYOUT, &mut words);
    row.add_at(Vector::Memory, 4, 1);
    row.add_at(Vector::AverageShared, usize::MAX, 1);
    row.add_moved(0, 4, 1);
    row.add_moved(4, 0, 1);
    row.seed(4, [1, 1], [1, 1]);
    assert!(row.as_row().is_empty());
    assert_eq!(row.as_row().moved(9, 9), 0);
}

#[test]
fn rows_that_are_too_short_lose_counts() {
    let mut row = RowMut::new(LAYOUT, &mut []);
    row.fault(&fault(0, 1, true), true);
    row.close_window();
    row.merge(3, &[1, 2]);
    assert!(row.as_row().is_empty());
}

#[test]
fn a_full_set_gives_up_the_row_that_was_used_least_lately() {
    let mut set = set(2);
    for (now, pid) in [(1, 10), (2, 11), (3, 10)] {
        let claimed = set.claim(task(pid), now, |_, _| panic!("evicted")).unwrap();
        set.row_mut(claimed.index).add(Counter::Faults, 1);
    }
    let mut evicted = Vec::new();
    let claimed = set.claim(task(12), 4, |entry, row| {
        evicted.push((entry.key, row.get(Counter::Faults)));
    });
    assert!(claimed.unwrap().is_new);
    assert_eq!(evicted, [(task(11), 1)]);
    assert!(set.row(claimed.unwrap().index).is_empty());
    assert_eq!(set.find(task(11)), None);
    assert_eq!(set.row(set.find(task(10)).unwrap()).get(Counter::Faults), 2);
}

#[test]
fn rows_of_tasks_go_before_others() {
    let mut set = set(2);
    set.claim(Key::Cgroup(1), 1, |_, _| ()).unwrap();
    set.claim(task(10), 2, |_, _| ()).unwrap();
    let mut evicted = None;
    set.claim(task(11), 3, |entry, _| evicted = Some(entry.key));
    assert_eq!(evicted, Some(task(10)));
    assert!(set.find(Key::Cgroup(1)).is_some());
}

/// Returns the evicted faults of a level.
fn evicted_faults(others: &Others<Vec<u64>>, level: Level) -> u64 {
    let mut words = vec![0; LAYOUT.words()];
    let mut sum = RowMut::new(LAYOUT, &mut words);
    others.add_to(level, &mut sum);
    sum.as_row().get(Counter::Faults)
}

#[test]
fn evicted_rows_are_added_up_by_level() {
    let mut others = Others::new(LAYOUT, vec![0; Others::<Vec<u64>>::words(LAYOUT)]);
    for (key, faults) in [
        (task(10), 1),
        (Key::Process(10), 10),
        (Key::Cgroup(3), 100),
        (task(11), 1000),
        (Key::Free, 10_000),
    ] {
        let mut words = vec![0; LAYOUT.words()];
        let mut row = RowMut::new(LAYOUT, &mut words);
        row.add(Counter::Faults, faults);
        row.seed(0, [5, 5], [5, 5]);
        others.add(key, row.as_row());
    }
    let levels = [Level::Task, Level::Process, Level::Cgroup];
    let faults = levels.map(|level| evicted_faults(&others, level));
    assert_eq!(faults, [1001, 1011, 1101]);
    let mut words = vec![0; LAYOUT.words()];
    others.add_to(Level::Task, &mut RowMut::new(LAYOUT, &mut words));
    let averages = Row::new(LAYOUT, &words).at(Vector::AveragePrivate, 0);
    assert_eq!(averages, 0);
    others.clear();
    let faults = levels.map(|level| evicted_faults(&others, level));
    assert_eq!(faults, [0, 0, 0]);
}

#[test]
fn a_row_that_is_removed_leaves_its_place() {
    let mut set = set(4);
    let index = set.claim(task(10), 1, |_, _| ()).unwrap().index;
    set.row_mut(index).add(Counter::Faults, 1);
    set.claim(task(11), 2, |_, _| ());
    assert_eq!(set.iter().count(), 2);
    set.remove(index);
    assert_eq!(set.iter().count(), 1);
    assert!(set.row(index).is_empty());
    set.clear();
    assert_eq!(set.iter().count(), 0);
}

#[test]
fn a_set_without_places_has_none() {
    assert_eq!(set(0).claim(task(1), 1, |_, _| ()), None);
}

#[test]
fn keys_are_spread_over_the_sets() {
    let mut used = BTreeMap::new();
    for number in 1000..2000 {
        *used.entry(set_of(task(number), 64)).or_insert(0) += 1;
    }
    assert_eq!(used.len(), 64);
    assert!(used.values().all(|&tasks| tasks <= 24), "{used:?}");
    assert_ne!(
        set_of(Key::Process(7), 1 << 20),
        set_of(Key::Cgroup(7), 1 << 20)
    );
}

#[test]
fn names_end_at_the_first_nul() {
    let mut task = TaskId::default();
    assert_eq!(task.name(), b"");
    task.comm[..2].copy_from_slice(b"ab");
    assert_eq!(task.name(), b"ab");
}

/// What the kernel does to `numa_faults` (`task_numa_placement()`), in its types.
#[derive(Default)]
struct Kernel {
    average: [[i64; 2]; 4],
    window: [[i64; 2]; 4],
}

impl Kernel {
    fn close_window(&mut self) {
        for (average, window) in self.average.iter_mut().zip(&mut self.window) {
            for (average, window) in average.iter_mut().zip(window) {
                let diff = *window - *average / 2;
                *window = 0;
                *average += diff;
            }
        }
    }
}

proptest! {
    /// Averages are those of the kernel, whatever happens.
    #[test]
    fn averages_are_the_kernels(
        steps in vec(prop_oneof![
            8 => (0usize..4, 1u64..600, any::<bool>()).prop_map(Some),
            1 => Just(None),
        ], 0..200)
    ) {
        let mut kernel = Kernel::default();
        let mut words = vec![0; LAYOUT.words()];
        for step in steps {
            let mut row = RowMut::new(LAYOUT, &mut words);
            match step {
                Some((node, pages, private)) => {
                    row.fault(&fault(node, pages, private), true);
                    kernel.window[node][usize::from(private)] += pages as i64;
                }
                None => {
                    row.close_window();
                    kernel.close_window();
                }
            }
        }
        let row = Row::new(LAYOUT, &words);
        for node in 0..4 {
            prop_assert_eq!(row.at(Vector::AverageShared, node) as i64, kernel.average[node][0]);
            prop_assert_eq!(row.at(Vector::AveragePrivate, node) as i64, kernel.average[node][1]);
        }
    }

    /// A merge by parts is a merge of the whole, and no count is lost.
    #[test]
    fn rows_add_up(
        a in vec(0u64..1 << 40, LAYOUT.words()),
        b in vec(0u64..1 << 40, LAYOUT.words()),
        part in 1usize..40,
    ) {
        let mut whole = a.clone();
        RowMut::new(LAYOUT, &mut whole).merge(0, &b);
        let mut parts = a.clone();
        for (index, chunk) in b.chunks(part).enumerate() {
            RowMut::new(LAYOUT, &mut parts).merge(index * part, chunk);
        }
        prop_assert_eq!(&whole, &parts);
        for (index, &word) in whole.iter().enumerate() {
            let expected = match Counter::ALL.get(index) {
                Some(counter) if counter.is_maximum() => a[index].max(b[index]),
                _ => a[index] + b[index],
            };
            prop_assert_eq!(word, expected);
        }
    }

    /// A set never has two rows of one key, and all counts are in rows or were evicted to the sums
    /// of their level.
    #[test]
    fn no_count_is_lost(numbers in vec((1usize..30, 0usize..3), 1..300)) {
        let mut set = set(8);
        let mut others = Others::new(LAYOUT, vec![0; Others::<Vec<u64>>::words(LAYOUT)]);
        let mut expected = [0; 3];
        for (now, &(number, kind)) in (1..).zip(&numbers) {
            let key = match kind {
                0 => task(number),
                1 => Key::Process(number as i32),
                _ => Key::Cgroup(number as u64),
            };
            expected[kind] += 1;
            let claimed = set.claim(key, now, |entry, row| others.add(entry.key, row));
            set.row_mut(claimed.unwrap().index).add(Counter::Faults, 1);
        }
        let mut keys = Vec::new();
        let mut kept = [0; 3];
        for (entry, words) in set.iter() {
            prop_assert!(!keys.contains(&entry.key));
            keys.push(entry.key);
            let kind = match entry.key {
                Key::Task(_) => 0,
                Key::Process(_) => 1,
                _ => 2,
            };
            kept[kind] += Row::new(LAYOUT, words).get(Counter::Faults);
        }
        let tasks = evicted_faults(&others, Level::Task);
        let evicted = [
            tasks,
            evicted_faults(&others, Level::Process) - tasks,
            evicted_faults(&others, Level::Cgroup) - tasks,
        ];
        for kind in 0..3 {
            prop_assert_eq!(kept[kind] + evicted[kind], expected[kind]);
        }
    }
}
