// SPDX-License-Identifier: GPL-2.0

//! Reads the taint flags of the kernel.
//!
//! See `Documentation/admin-guide/tainted-kernels.rst` in the kernel source.

use anyhow::Result;

use super::debugfs;

/// The letter and the meaning of each bit.
const FLAGS: [(char, &str); 20] = [
    ('P', "a proprietary module was loaded"),
    ('F', "a module was force loaded"),
    ('S', "the processor is out of specification"),
    ('R', "a module was force unloaded"),
    ('M', "a processor reported a machine check exception"),
    ('B', "bad page referenced, or memory misused (KASAN, SLUB)"),
    ('U', "taint requested by a program"),
    ('D', "the kernel died recently: an oops or a BUG"),
    ('A', "an ACPI table was overridden"),
    ('W', "the kernel issued a warning"),
    ('C', "a staging driver was loaded"),
    ('I', "a bug in the firmware was worked around"),
    ('O', "an out-of-tree module was loaded"),
    ('E', "an unsigned module was loaded"),
    ('L', "a soft lockup occurred"),
    ('K', "the kernel has been live patched"),
    ('X', "auxiliary, for distributions"),
    ('T', "structures have a random layout"),
    ('N', "an in-kernel test was run"),
    ('J', "a firmware was sent a dangerous command"),
];

/// Returns the flags that are set and whose letters are not in `allowed`, with their meaning.
///
/// # Errors
///
/// The file with the flags cannot be read.
pub fn foreign(allowed: &str) -> Result<Vec<String>> {
    Ok(not_allowed(
        debugfs::value("/proc/sys/kernel/tainted")?,
        allowed,
    ))
}

fn not_allowed(taint: u64, allowed: &str) -> Vec<String> {
    let name = |bit: usize| match FLAGS.get(bit) {
        Some((letter, _)) if allowed.contains(*letter) => None,
        Some((letter, meaning)) => Some(format!("{letter}: {meaning}")),
        None => Some(format!("bit {bit}, which is new")),
    };
    let set = (0..u64::BITS as usize).filter(|bit| (taint >> bit) & 1 == 1);
    set.filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_flags_are_named() {
        let (out_of_tree, unsigned, live_patch, warning) = (1 << 12, 1 << 13, 1 << 15, 1 << 9);
        assert!(not_allowed(0, "").is_empty());
        assert!(not_allowed(out_of_tree | unsigned, "OE").is_empty());
        assert_eq!(
            not_allowed(out_of_tree | unsigned | live_patch | warning, "OE"),
            [
                "W: the kernel issued a warning",
                "K: the kernel has been live patched"
            ]
        );
        assert_eq!(not_allowed(1 << 18, "OE"), ["N: an in-kernel test was run"]);
        assert_eq!(not_allowed(1 << 40, "OE"), ["bit 40, which is new"]);
    }
}
