// SPDX-License-Identifier: GPL-2.0

//! Implements the pool of the trampolines in `trampolines.S`, each with its slot.

use super::slot::EntrySlot;
use core::ptr;

/// The number of trampolines, as in `trampolines.S`. A site that is registered while all are in
/// use gets a trampoline that ftrace makes.
const SLOTS: usize = 256;
/// The distance between two trampolines in bytes, as in `trampolines.S`.
const TRAMPOLINE_SIZE: usize = 32;

extern "C" {
    /// The first of the trampolines; the others follow it.
    static tackle_ftrace_trampolines: u8;
}

/// The slots of the trampolines. The [`Pool`] in `sites.rs` records which are in use.
#[allow(non_upper_case_globals)]
#[no_mangle]
static tackle_ftrace_slots: [EntrySlot; SLOTS] = [const { EntrySlot::new() }; SLOTS];

/// Which slots are in use.
pub(super) struct Pool {
    used: [bool; SLOTS],
}

impl Pool {
    pub(super) const fn new() -> Self {
        Self {
            used: [false; SLOTS],
        }
    }

    /// Takes a slot out of the pool.
    pub(super) fn take(&mut self) -> Option<&'static EntrySlot> {
        let index = self.used.iter().position(|used| !used)?;
        self.used[index] = true;
        Some(&tackle_ftrace_slots[index])
    }

    /// Puts a slot back. No task is in its trampoline.
    pub(super) fn put(&mut self, slot: &'static EntrySlot) {
        if let Some(used) = self.used.get_mut(index(slot)) {
            *used = false;
        }
    }
}

/// Returns the number of `slot`, which is one of the pool's. Its trampoline has the same number.
pub(super) fn index(slot: &'static EntrySlot) -> usize {
    (ptr::from_ref(slot).addr() - tackle_ftrace_slots.as_ptr().addr()) / size_of::<EntrySlot>()
}

/// Returns the address of the trampoline of `slot`, which is one of the pool's.
pub(super) fn trampoline(slot: &'static EntrySlot) -> usize {
    (&raw const tackle_ftrace_trampolines).addr() + index(slot) * TRAMPOLINE_SIZE
}
