// SPDX-License-Identifier: GPL-2.0

//! Implements the rule of run time: only tasks that have run for seconds are placed.
//!
//! The move of a task that ends soon costs more than it gains, and the few faults of such a task
//! do not show where it belongs.

use super::{Params, Task};

/// Returns whether a task has run long enough.
pub(super) fn is_enough(params: &Params, task: &Task) -> bool {
    task.runtime_ms >= params.runtime_ms
}
