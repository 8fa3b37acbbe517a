// SPDX-License-Identifier: GPL-2.0

//! Implements the numbers of calls that a hook has missed, by reason.

use core::fmt;

/// The numbers of missed calls, by reason. For a hook at the exit, a missed exit counts as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Misses {
    /// Calls that were made while a handler of the same context ran (task, softirq, hardirq, NMI).
    /// An interrupt counts as the context that it interrupts until it has increased the preemption
    /// count.
    pub recursion: u64,
    /// Calls for which a task's shadow stack, which fprobe uses, had no room.
    pub no_room: u64,
}

impl Misses {
    /// Returns misses whose only reason is recursion.
    pub const fn by_recursion(recursion: u64) -> Self {
        Self {
            recursion,
            no_room: 0,
        }
    }

    /// Returns the sum.
    pub fn total(self) -> u64 {
        self.recursion.wrapping_add(self.no_room)
    }
}

/// Writes `missed=TOTAL`, and `REASON=N` for each reason with a count above 0.
impl fmt::Display for Misses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "missed={}", self.total())?;
        for (reason, count) in [("recursion", self.recursion), ("no_room", self.no_room)] {
            if count > 0 {
                write!(f, " {reason}={count}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn reasons_that_there_were() {
        assert_eq!(Misses::default().to_string(), "missed=0");
        let misses = Misses {
            recursion: 2,
            no_room: 1,
        };
        assert_eq!(misses.to_string(), "missed=3 recursion=2 no_room=1");
        assert_eq!(Misses::by_recursion(4).to_string(), "missed=4 recursion=4");
    }
}
