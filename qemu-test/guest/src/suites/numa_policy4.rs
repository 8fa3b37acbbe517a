// SPDX-License-Identifier: GPL-2.0

//! Tests `numa_balance` on four nodes that form a ring.

use super::numa_policy::{a_crossed_pair_is_placed, bound_memory_attracts_its_task};
use crate::suite::{list, Suite};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "numa_policy4",
    by_name_only: false,
    tests: list![a_crossed_pair_is_placed, bound_memory_attracts_its_task],
};
