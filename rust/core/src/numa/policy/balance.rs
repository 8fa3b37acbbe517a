// SPDX-License-Identifier: GPL-2.0

//! Implements the rule of balance: no move creates an imbalance of load.
//!
//! The kernel's load balancer would undo such a move. C source: `load_too_imbalanced()`,
//! `adjust_numa_imbalance()` in `kernel/sched/fair.c`, `sd->imb_numa_nr` in
//! `kernel/sched/topology.c`.

use super::{Snapshot, LOAD_ONE};

/// The load of a node while a plan is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Room {
    /// Its load, in the unit of [`Node::load`](super::Node::load).
    load: u64,
    /// Its CPUs.
    cpus: u64,
    /// Its share of the machine's load, in proportion to its CPUs, rounded up to whole tasks.
    share: u64,
}

impl Room {
    /// Fills `rooms` with the loads of a snapshot.
    pub(super) fn fill(snapshot: &Snapshot<'_>, rooms: &mut [Self]) {
        let (mut load, mut cpus) = (0u64, 0u64);
        for (index, room) in rooms.iter_mut().enumerate() {
            let node = snapshot.node(index);
            *room = Self {
                load: u64::from(node.load),
                cpus: if node.online { u64::from(node.cpus) } else { 0 },
                share: 0,
            };
            load += room.load;
            cpus += room.cpus;
        }
        for room in rooms {
            let share = load
                .saturating_mul(room.cpus)
                .checked_div(cpus)
                .unwrap_or(0);
            room.share = share.div_ceil(u64::from(LOAD_ONE)) * u64::from(LOAD_ONE);
        }
    }

    /// Returns the load that its CPUs can carry, or its share of the machine's load if that is
    /// greater.
    pub(super) fn capacity(&self) -> u64 {
        (self.cpus * u64::from(LOAD_ONE)).max(self.share)
    }

    /// Returns the load up to which a node is lightly loaded, so that the kernel's load balancer
    /// does not move its tasks: an eighth of its CPUs, like `imb_numa_nr`, but at least one task.
    fn light(&self) -> u64 {
        (self.cpus / 8).max(u64::from(self.cpus > 1)) * u64::from(LOAD_ONE)
    }
}

/// Returns whether `load` may move from the node `source` to the node `target` while `back` moves
/// in the other direction.
///
/// It may if the target does not exceed its share of the machine's load, if the target stays
/// lightly loaded, or if the loads of the two nodes do not differ more than before.
pub(super) fn allows(source: &Room, target: &Room, load: u64, back: u64) -> bool {
    let after = |room: &Room, comes: u64, goes: u64| (room.load + comes).saturating_sub(goes);
    let source_load = after(source, back, load);
    let target_load = after(target, load, back);
    let bears = |room: &Room, after: u64| {
        after <= room.load || after <= room.share || after <= room.light()
    };
    if target.cpus == 0 {
        return false;
    }
    if bears(target, target_load) && bears(source, source_load) {
        return true;
    }
    let imbalance = |source_load: u64, target_load: u64| {
        let target_part = target_load.saturating_mul(source.cpus);
        target_part.abs_diff(source_load.saturating_mul(target.cpus))
    };
    imbalance(source_load, target_load) <= imbalance(source.load, target.load)
}

/// Updates the loads for a move that [`allows`] has allowed.
pub(super) fn carry_out(rooms: &mut [Room], source: usize, target: usize, load: u64, back: u64) {
    if let Some(room) = rooms.get_mut(source) {
        room.load = (room.load + back).saturating_sub(load);
    }
    if let Some(room) = rooms.get_mut(target) {
        room.load = (room.load + load).saturating_sub(back);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: u64 = LOAD_ONE as u64;

    fn room(tasks: u64, cpus: u64, share: u64) -> Room {
        Room {
            load: tasks * ONE,
            cpus,
            share: share * ONE,
        }
    }

    #[test]
    fn a_node_gets_its_share_and_no_more() {
        let (busy, idle) = (room(4, 4, 4), room(3, 4, 4));
        assert!(allows(&busy, &idle, ONE, 0));
        assert!(!allows(&idle, &busy, ONE, 0));
        assert!(allows(&busy, &room(4, 4, 4), ONE, ONE));
        assert!(!allows(&busy, &room(4, 0, 0), ONE, 0));
    }

    #[test]
    fn an_imbalance_may_turn_round_but_not_grow() {
        let (one, other) = (room(6, 4, 4), room(5, 4, 4));
        assert!(allows(&one, &other, ONE, 0));
        assert!(!allows(&other, &one, ONE, 0));
        assert!(!allows(&one, &room(6, 4, 4), ONE, 0));
    }

    #[test]
    fn a_lightly_loaded_node_may_get_more() {
        let (one, other) = (room(1, 16, 1), room(1, 16, 1));
        assert!(allows(&one, &other, ONE, 0));
        assert!(!allows(&room(2, 16, 2), &room(2, 16, 2), ONE, 0));
    }
}
