// SPDX-License-Identifier: GPL-2.0

//! Implements the rule of hysteresis: tasks do not move back and forth between nodes.

use super::{Params, Task};

/// Returns the improvement that a task needs to be moved, in thousandths of its accesses.
///
/// A task that was moved recently needs a greater improvement, since its faults may still be from
/// the time before the move. The threshold decreases during [`Params::settle_ms`]. It is never
/// infinite, so that a task whose memory accesses have changed completely can move at once.
pub(super) fn threshold(params: &Params, task: &Task) -> u64 {
    let least = u64::from(params.min_gain).max(1);
    let most = u64::from(params.settle_gain).max(least);
    let settle = u64::from(params.settle_ms);
    let rest = settle.saturating_sub(u64::from(task.moved_ms_ago));
    let extra = ((most - least) * rest).checked_div(settle).unwrap_or(0);
    least + extra
}

#[cfg(test)]
mod tests {
    use super::super::{NodeSet, LOAD_ONE, NEVER};
    use super::*;

    #[test]
    fn the_threshold_falls_after_a_move() {
        let params = Params::DEFAULT;
        let at = |moved_ms_ago| {
            let task = Task {
                id: 1,
                group: 0,
                node: 0,
                preferred: None,
                allowed: NodeSet::ALL,
                runtime_ms: 0,
                load: LOAD_ONE,
                size_pages: 0,
                moved_ms_ago,
            };
            threshold(&params, &task)
        };
        assert_eq!(at(0), u64::from(params.settle_gain));
        assert_eq!(at(params.settle_ms / 2), 225);
        assert_eq!(at(params.settle_ms), u64::from(params.min_gain));
        assert_eq!(at(NEVER), u64::from(params.min_gain));
    }
}
