// SPDX-License-Identifier: GPL-2.0

//! Defines the folders of the modules `numa_stat`, `numa_control` and `numa_balance` in debugfs,
//! and the names of their files.

use crate::debugfs::Interface;

/// The module that counts hinting faults and other events.
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

/// The module that places tasks. With the parameter `advise=1` it only plans.
pub const BALANCE: Interface = Interface {
    what: "plans of NUMA balancing",
    module: "numa_balance advise=1",
    folder: "tackle/numa_balance",
};

/// File of [`BALANCE`]: the decisions about all tasks.
pub const PLAN: &str = "plan";
/// File of the library, relative to the root of debugfs: the registered policy. The file does not
/// exist if no policy is registered.
pub const POLICY: &str = "tackle/numa_policy";

/// File of [`STAT`]: a row for each task.
pub const TASKS: &str = "tasks";
/// File of [`STAT`]: a row for each process.
pub const PROCESSES: &str = "processes";
/// File of [`STAT`]: a row for each NUMA group.
pub const GROUPS: &str = "groups";
/// File of [`STAT`]: a row for each cgroup.
pub const CGROUPS: &str = "cgroups";
/// File of [`STAT`]: a row for each node.
pub const NODES: &str = "nodes";
/// File of [`STAT`]: sums over all rows.
pub const TOTAL: &str = "total";
/// File of [`STAT`], with its parameter `wakeups=1`: a row for each pair of tasks.
pub const WAKEUPS: &str = "wakeups";
/// File of [`CONTROL`]: the rules.
pub const SWITCH: &str = "switch";
/// File of [`CONTROL`]: the preferred nodes that were set.
pub const PREFER: &str = "prefer";
/// File of [`CONTROL`]: why the last write was refused.
pub const ERROR: &str = "error";
