// SPDX-License-Identifier: GPL-2.0

//! Statistics of automatic NUMA balancing: rows of counts for tasks, processes and cgroups.
//!
//! A row is a number of `u64` words in memory of the caller ([`Layout`] says how many): counters,
//! and vectors with an element for each node. [`Row`] reads one, [`RowMut`] counts in one.
//!
//! Rows are in sets. A [`Key`] belongs to one [`Set`], and the caller has a lock for each set, so
//! that a row changes and is read as a whole. If a set is full, a new row takes the place of the
//! one that was used least lately:
//!
//! ```text
//!            set_of(key)
//!                v
//!  sets    |           |           |           | ...
//!           A  B  C  -  D  -  -  -  E  F  G  H
//! ```

mod counter;
mod request;
mod row;
mod set;

pub use counter::{Counter, Vector};
pub use request::{parse_prefer, parse_switch, Rank, Refused, Verb, Who};
pub use row::{Faulted, Layout, Row, RowMut};
pub use set::{set_of, Claimed, Entry, Key, Set};

/// The length of a task's name in bytes, as `TASK_COMM_LEN` in `include/linux/sched.h`.
pub const COMM_LEN: usize = 16;

/// A task.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TaskId {
    /// The ID of the thread.
    pub pid: i32,
    /// The ID of its process.
    pub tgid: i32,
    /// Its name, padded with NULs.
    pub comm: [u8; COMM_LEN],
    /// When it started, in nanoseconds after boot. Tells tasks apart that had the same ID one
    /// after the other.
    pub start: u64,
}

impl TaskId {
    /// Returns the name up to the first NUL.
    pub fn name(&self) -> &[u8] {
        self.comm
            .split(|&byte| byte == 0)
            .next()
            .unwrap_or_default()
    }
}
