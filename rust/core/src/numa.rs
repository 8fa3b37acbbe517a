// SPDX-License-Identifier: GPL-2.0

//! Implements statistics of automatic NUMA balancing: rows of counters for tasks, processes and
//! cgroups. [`policy`] decides where tasks and pages belong.
//!
//! A row is an array of `u64` words in the caller's memory, whose length [`Layout`] defines. It
//! has counters, and vectors with an element for each node. [`Row`] reads a row, and [`RowMut`]
//! changes one.
//!
//! Rows are stored in a set-associative table: [`set_of`] maps a [`Key`] to one [`Set`]. The
//! caller holds the lock of the set while it reads or changes a row. If a set is full, a new row
//! replaces the least recently used row of a task. Rows of processes and cgroups are replaced
//! last. The caller adds the replaced row to [`Others`]. In the picture a set has four places. A
//! letter is a row, and a dash is a free place:
//!
//! ```text
//!            set_of(key)
//!                v
//!  sets    |           |           |           | ...
//!           A  B  C  -  D  -  -  -  E  F  G  H
//! ```

mod counter;
mod others;
pub mod policy;
mod request;
mod row;
mod set;
mod wakeups;

pub use counter::{Counter, Vector};
pub use others::{Level, Others};
pub use request::{parse_prefer, parse_switch, ParseError, Rank, Subject, Verb};
pub use row::{write_moved, write_nodes, Faulted, Layout, Row, RowMut};
pub use set::{set_of, Claimed, Entry, Key, Set};
pub use wakeups::{set_of_pair, Pair, PairSet, Waking};

use core::fmt;

/// The length of a task's name in bytes: `TASK_COMM_LEN` in `include/linux/sched.h`.
pub const COMM_LEN: usize = 16;

/// A task.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TaskId {
    /// The ID of the thread.
    pub pid: i32,
    /// The ID of its process.
    pub tgid: i32,
    /// The name, padded with NULs.
    pub comm: [u8; COMM_LEN],
    /// The time at which it started, in nanoseconds after boot. It distinguishes two tasks with
    /// the same ID, since the kernel reuses IDs.
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

    /// Writes the name as one word, with the escapes of `/proc/mounts`; `-` if the name is empty.
    ///
    /// # Errors
    ///
    /// Returns the errors of `f`.
    pub fn write_name(&self, f: &mut impl fmt::Write) -> fmt::Result {
        if self.name().is_empty() {
            return f.write_str("-");
        }
        self.name().iter().try_for_each(|&byte| match byte {
            b'\\' => f.write_str("\\134"),
            b'!'..=b'~' => f.write_char(char::from(byte)),
            _ => write!(f, "\\{byte:03o}"),
        })
    }
}
