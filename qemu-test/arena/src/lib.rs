// SPDX-License-Identifier: GPL-2.0

//! Defines the interface between the guest, the runner and QEMU's plug-in (`qemu-test/plugin`): the
//! addresses of the memory whose accesses are counted, the NUMA nodes of the machine, and the lines
//! with the counts.
//!
//! A workload has its memory at a fixed virtual address, which is called an arena. The plug-in
//! counts loads and stores of user mode in arenas. A store to the page of marks makes the plug-in
//! write a line with all counts. The guest reads the line from its third serial line.
//!
//! ```text
//!   guest    store to the word of CPU 3 -----> plug-in: this is what CPU 3 looks like
//!            load, store in an arena --------> plug-in: counts[CPU][arena][node of the page]
//!            store to mark 17 ---------------> plug-in: "mark 17 0:1>0=4096 ...\n"
//!            reads it from ttyS2 <------------ QEMU <--- pipe
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod counts;
mod layout;

pub use counts::{Counts, Row};
pub use layout::Layout;

/// The virtual address of the first arena.
pub const BASE: u64 = 0x5000_0000_0000;

/// The bytes from the start of an arena to the start of the next one.
pub const SPAN: u64 = 1 << 32;

/// The number of arenas.
pub const ARENAS: usize = 64;

/// The virtual address of the page of marks: an array of [`MARKS`] words of 8 bytes.
pub const MARK_PAGE: u64 = BASE + ARENAS as u64 * SPAN;

/// The number of marks. A guest takes them in turn.
pub const MARKS: usize = 512;

/// The virtual address of the page of CPUs, which is also an array of [`MARKS`] words. A thread
/// that is bound to CPU n stores to word n once. After that, the plug-in can identify the CPU.
pub const CPU_PAGE: u64 = MARK_PAGE + MARKS as u64 * WORD;

/// The size of a mark in bytes.
const WORD: u64 = 8;

/// The word on the kernel's command line if a plug-in counts accesses.
pub const WORD_ON_COMMAND_LINE: &str = "tackle.counts=1";

/// The serial line with the counts.
pub const PORT: &str = "/dev/ttyS2";

/// The meaning of a virtual address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Memory of the arena with this number.
    Arena(usize),
    /// The mark with this number.
    Mark(usize),
    /// The word of the CPU with this number.
    Cpu(usize),
}

/// Returns the virtual address of an arena, or `None` if there is no arena with this number.
pub fn arena(number: usize) -> Option<u64> {
    (number < ARENAS).then(|| BASE + number as u64 * SPAN)
}

/// Returns the meaning of `address`, or `None` if it is not in one of these areas.
#[inline]
pub fn place(address: u64) -> Option<Place> {
    let offset = address.wrapping_sub(BASE);
    let number = offset / SPAN;
    if number < ARENAS as u64 {
        return Some(Place::Arena(number as usize));
    }
    let word = (address.wrapping_sub(MARK_PAGE) / WORD) as usize;
    match word {
        _ if word < MARKS => Some(Place::Mark(word)),
        _ if word < 2 * MARKS => Some(Place::Cpu(word - MARKS)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arenas_follow_each_other() {
        assert_eq!(arena(0), Some(BASE));
        assert_eq!(arena(ARENAS), None);
        for number in [0, 1, ARENAS - 1] {
            let start = arena(number).unwrap();
            assert_eq!(place(start), Some(Place::Arena(number)));
            assert_eq!(place(start + SPAN - 1), Some(Place::Arena(number)));
        }
        assert_eq!(place(BASE - 1), None);
    }

    #[test]
    fn marks_and_cpus_have_a_page_each() {
        assert_eq!(place(MARK_PAGE), Some(Place::Mark(0)));
        assert_eq!(place(MARK_PAGE + 17 * 8), Some(Place::Mark(17)));
        assert_eq!(place(MARK_PAGE + 4095), Some(Place::Mark(MARKS - 1)));
        assert_eq!(place(CPU_PAGE), Some(Place::Cpu(0)));
        assert_eq!(place(CPU_PAGE + 3 * 8), Some(Place::Cpu(3)));
        assert_eq!(place(CPU_PAGE + 4096), None);
        assert_eq!(place(0), None);
        assert_eq!(place(u64::MAX), None);
    }
}
