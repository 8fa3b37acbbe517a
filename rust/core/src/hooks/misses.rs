// SPDX-License-Identifier: GPL-2.0

//! Calls that a hook has not seen, by reason.

use core::fmt;

/// How many calls a hook has missed, by reason. For a hook at the exit, an exit counts as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Misses {
    /// They came from within a handler of the same context (task, softirq, hardirq, NMI). An
    /// interrupt counts as the context that it interrupts until it has raised the preemption
    /// count.
    pub recursion: u64,
    /// There was no room on a task's shadow stack, which fprobe uses.
    pub no_room: u64,
}

impl Misses {
    /// Those whose only reason is recursion.
    pub const fn by_recursion(recursion: u64) -> Self {
        Self {
            recursion,
            no_room: 0,
        }
    }

    /// The sum.
    pub fn total(self) -> u64 {
        self.recursion.wrapping_add(self.no_room)
    }
}

/// `missed=TOTAL`, and `REASON=N` for each reason that there was.
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
