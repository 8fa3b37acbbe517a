// SPDX-License-Identifier: GPL-2.0

//! Implements the rule of run time: only tasks that have run for seconds are placed.
//!
//! A task that ends soon does not earn back what its move costs, and its few faults say little.

use super::{Params, Task};

/// Returns whether a task has run long enough.
pub(super) fn is_enough(params: &Params, task: &Task) -> bool {
    task.runtime_ms >= params.runtime_ms
}
