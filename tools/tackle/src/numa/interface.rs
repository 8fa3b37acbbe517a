// SPDX-License-Identifier: GPL-2.0

//! Where the module `numa_stat` is in debugfs, and the names of its files.

use crate::debugfs::Interface;

/// The module that counts.
pub const STAT: Interface = Interface {
    what: "NUMA statistics",
    module: "numa_stat",
    folder: "tackle/numa_stat",
};

/// Of [`STAT`]: a row for each task.
pub const TASKS: &str = "tasks";
/// Of [`STAT`]: a row for each process.
pub const PROCESSES: &str = "processes";
/// Of [`STAT`]: a row for each NUMA group.
pub const GROUPS: &str = "groups";
/// Of [`STAT`]: a row for each cgroup.
pub const CGROUPS: &str = "cgroups";
/// Of [`STAT`]: a row for each node.
pub const NODES: &str = "nodes";
/// Of [`STAT`]: sums over all rows.
pub const TOTAL: &str = "total";
