// SPDX-License-Identifier: GPL-2.0

//! Implements the text of `numa_stat`'s files.

use crate::observe::Statistics;
use kernel::{fmt, prelude::*, rbtree::RBTree};
use tackle::numa::{self, Event, Registration};
use tackle_core::numa::{
    write_moved, write_nodes, Entry, Key, Layout, Level, Row, RowMut, TaskId, Vector, Waking,
};

type Shown<'a> = &'a Registration<Statistics>;

/// Converts any error to [`fmt::Error`], the only error that a debugfs callback can return.
fn failed(result: Result) -> fmt::Result {
    result.map_err(|_| fmt::Error)
}

/// Writes the file `tasks`.
pub(crate) fn tasks(shown: Shown<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let table = &shown.observer().table;
    failed(table.each(|entry, row| {
        if let Key::Task(_) = entry.key {
            task(entry, row, f).map_err(|_| EIO)?;
        }
        Ok(())
    }))?;
    others(shown, Level::Task, "pid", f)
}

/// Writes the sum of the evicted rows that belong to a level.
fn others(shown: Shown<'_>, level: Level, key: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let table = &shown.observer().table;
    failed(table.others(level, |row| {
        writeln!(f, "{key}=others{row}").map_err(|_| EIO)
    }))
}

fn task(entry: &Entry, row: Row<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let TaskId { pid, tgid, .. } = entry.task;
    write!(f, "pid={pid} tgid={tgid} comm=")?;
    entry.task.write_name(f)?;
    if entry.group != 0 {
        write!(f, " group={}", entry.group)?;
    }
    if entry.cgroup != 0 {
        write!(f, " cgroup={}", entry.cgroup)?;
    }
    if let Some(node) = entry.preferred {
        write!(f, " preferred={node}")?;
    }
    writeln!(f, "{row}")
}

/// Sums of rows, by an ID.
struct Sums {
    layout: Layout,
    index: RBTree<u64, usize>,
    entries: KVVec<Entry>,
    words: KVVec<u64>,
}

impl Sums {
    fn new(layout: Layout) -> Self {
        Self {
            layout,
            index: RBTree::new(),
            entries: KVVec::new(),
            words: KVVec::new(),
        }
    }

    fn add(&mut self, id: u64, entry: &Entry, row: Row<'_>) -> Result {
        let index = match self.index.get(&id) {
            Some(&index) => index,
            None => {
                let index = self.entries.len();
                self.entries.push(*entry, GFP_KERNEL)?;
                for _ in 0..self.layout.words() {
                    self.words.push(0, GFP_KERNEL)?;
                }
                self.index.try_create_and_insert(id, index, GFP_KERNEL)?;
                index
            }
        };
        if let Some(first) = self.entries.get_mut(index) {
            // A process has the name of its thread group leader.
            if entry.task.pid == entry.task.tgid {
                first.task = entry.task;
            }
        }
        let words = self.layout.words();
        if let Some(sum) = self.words.chunks_exact_mut(words).nth(index) {
            RowMut::new(self.layout, sum).merge(0, row.words());
        }
        Ok(())
    }

    fn each(&self, mut visit: impl FnMut(u64, &Entry, Row<'_>) -> fmt::Result) -> fmt::Result {
        let words = self.layout.words();
        self.index.iter().try_for_each(|(&id, &index)| {
            let entry = self.entries.get(index);
            let row = self.words.chunks_exact(words).nth(index);
            match (entry, row) {
                (Some(entry), Some(row)) => visit(id, entry, Row::new(self.layout, row)),
                _ => Ok(()),
            }
        })
    }
}

/// Adds up all rows for which `id` returns the same ID. Leaves out the rows for which it returns
/// [`None`].
fn sums(shown: Shown<'_>, id: impl Fn(&Entry) -> Option<u64>) -> Result<Sums, fmt::Error> {
    let table = &shown.observer().table;
    let mut sums = Sums::new(table.layout());
    let added = table.each(|entry, row| match id(entry) {
        Some(id) => sums.add(id, entry, row),
        None => Ok(()),
    });
    added.map(|()| sums).map_err(|_| fmt::Error)
}

/// Writes the file `processes`.
pub(crate) fn processes(shown: Shown<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let sums = sums(shown, |entry| match entry.key {
        Key::Task(_) | Key::Process(_) => u64::try_from(entry.task.tgid).ok(),
        _ => None,
    })?;
    sums.each(|tgid, entry, row| {
        write!(f, "tgid={tgid} comm=")?;
        entry.task.write_name(f)?;
        writeln!(f, "{row}")
    })?;
    others(shown, Level::Process, "tgid", f)
}

/// Writes the file `groups`.
pub(crate) fn groups(shown: Shown<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let sums = sums(shown, |entry| match entry.key {
        Key::Task(_) => u64::try_from(entry.group).ok().filter(|&group| group != 0),
        _ => None,
    })?;
    sums.each(|group, _, row| writeln!(f, "group={group}{row}"))
}

/// Writes the file `cgroups`.
pub(crate) fn cgroups(shown: Shown<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let sums = sums(shown, |entry| match entry.key {
        Key::Task(_) => Some(entry.cgroup).filter(|&id| id != 0),
        Key::Cgroup(id) => Some(id),
        _ => None,
    })?;
    sums.each(|cgroup, _, row| writeln!(f, "cgroup={cgroup}{row}"))?;
    others(shown, Level::Cgroup, "cgroup", f)
}

/// Writes the file `nodes`. The row of a node has the pages on which its CPUs have faulted, by the
/// node of the memory, and the pages that were migrated away from the node.
pub(crate) fn nodes(shown: Shown<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let totals = &shown.observer().totals;
    let count = shown.observer().table.layout().nodes();
    for node in (0..count).filter(|&node| numa::is_online(node)) {
        write!(f, "node={node}")?;
        write_nodes(f, Vector::Memory.name(), count, |memory| {
            totals.faults(node, memory)
        })?;
        write_moved(
            f,
            (0..count).map(|target| (node, target, totals.moved(node, target))),
        )?;
        f.write_str("\n")?;
    }
    Ok(())
}

/// Writes the file `total`.
pub(crate) fn total(shown: Shown<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Statistics {
        table,
        totals,
        wakeups,
    } = shown.observer();
    writeln!(f, "numa_hint_faults {}", totals.hint_faults.sum())?;
    writeln!(
        f,
        "numa_hint_faults_local {}",
        totals.hint_faults_local.sum()
    )?;
    writeln!(f, "numa_pages_migrated {}", totals.pages_migrated.sum())?;
    writeln!(f, "rows {}", table.rows())?;
    writeln!(f, "room {}", table.capacity())?;
    writeln!(f, "evicted {}", table.evicted())?;
    writeln!(f, "ended {}", totals.ended.sum())?;
    if let Some([all, across]) = wakeups.totals() {
        writeln!(f, "wakeups {all}")?;
        writeln!(f, "wakeups_across {across}")?;
        writeln!(f, "wakeup_pairs_evicted {}", wakeups.others().1)?;
    }
    writeln!(f, "missed {}", shown.missed().total())
}

/// Writes the file `wakeups`.
pub(crate) fn wakeups(shown: Shown<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let wakeups = &shown.observer().wakeups;
    failed(wakeups.each(|pair| {
        let Waking {
            waker,
            wakee,
            waker_node,
            wakee_node,
        } = &pair.waking;
        side("waker", waker.as_ref(), f).map_err(|_| EIO)?;
        f.write_str(" ").map_err(|_| EIO)?;
        side("wakee", Some(wakee), f).map_err(|_| EIO)?;
        let count = pair.count;
        writeln!(
            f,
            " waker_node={waker_node} wakee_node={wakee_node} count={count}"
        )
        .map_err(|_| EIO)
    }))?;
    match wakeups.others() {
        (0, _) => Ok(()),
        (others, _) => writeln!(f, "waker=others count={others}"),
    }
}

/// Writes one side of a wake-up: a task, or an interrupt.
fn side(key: &str, task: Option<&TaskId>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Some(task) = task else {
        return write!(f, "{key}=interrupt");
    };
    write!(f, "{key}={} {key}_tgid={} {key}_comm=", task.pid, task.tgid)?;
    task.write_name(f)
}

/// Writes the file `events`.
pub(crate) fn events(shown: Shown<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let names = shown.events().iter().map(Event::name);
    names.into_iter().try_for_each(|name| writeln!(f, "{name}"))
}
