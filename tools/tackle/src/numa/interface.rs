// SPDX-License-Identifier: GPL-2.0

//! Where the modules `numa_stat`, `numa_control` and `numa_balance` are in debugfs, and the names
//! of their files.

use crate::debugfs::Interface;

/// The module that counts.
pub const STAT: Interface = Interface {
    what: "NUMA statistics",
    module: "numa_stat",
    folder: "tackle/numa_stat",
};

/// The module that switches balancing off and on, and sets preferred nodes.
pub const CONTROL: Interface = Interface {
    what: "the switches of NUMA balancing",
    module: "numa_control",
    folder: "tackle/numa_control",
};

/// The module that places tasks. With the parameter it only plans.
pub const BALANCE: Interface = Interface {
    what: "plans of NUMA balancing",
    module: "numa_balance advise=1",
    folder: "tackle/numa_balance",
};

/// Of [`BALANCE`]: the decisions about all tasks.
pub const PLAN: &str = "plan";
/// Of the library, below the root of debugfs: which policy is registered. Without one there is no
/// such file.
pub const POLICY: &str = "tackle/numa_policy";

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
/// Of [`STAT`], with its parameter `wakeups=1`: a row for each pair of tasks.
pub const WAKEUPS: &str = "wakeups";
/// Of [`CONTROL`]: the rules.
pub const SWITCH: &str = "switch";
/// Of [`CONTROL`]: the preferred nodes that were set.
pub const PREFER: &str = "prefer";
/// Of [`CONTROL`]: why the last write was refused.
pub const ERROR: &str = "error";
