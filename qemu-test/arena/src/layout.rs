// SPDX-License-Identifier: GPL-2.0

//! Describes the NUMA nodes of QEMU's machine `q35`: the CPUs and the physical addresses of each
//! node.

use std::fmt;

use anyhow::{ensure, Context, Result};

const MIB: u64 = 1 << 20;

/// The start of the physical addresses below 4 GiB that are not memory.
const HOLE: u64 = 0xb000_0000;

/// The start of these addresses in a machine with at least [`HOLE`] bytes of memory
/// (`pc_q35_init()` in QEMU).
const HOLE_OF_LARGE: u64 = 0x8000_0000;

/// The address at which memory continues after the hole.
const ABOVE: u64 = 1 << 32;

/// The nodes of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The node of each CPU.
    pub cpus: Vec<usize>,
    /// The memory of each node, in MiB. The nodes' memory is in the order of their numbers.
    pub memory: Vec<u64>,
}

impl Layout {
    /// Parses the two words that [`Display`](fmt::Display) has written.
    ///
    /// # Errors
    /// A word is missing or unknown, a number is invalid, or the node of a CPU is not in `memory`.
    pub fn parse(words: &[&str]) -> Result<Self> {
        let list = |name: &str| -> Result<Vec<u64>> {
            let word = words
                .iter()
                .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
                .with_context(|| format!("{name}=NUMBER/NUMBER... is missing"))?;
            word.split('/')
                .map(|number| {
                    number
                        .parse()
                        .with_context(|| format!("{name}={word}: {number:?} is not a number"))
                })
                .collect()
        };
        let this = Self {
            cpus: list("cpus")?
                .into_iter()
                .map(|node| node as usize)
                .collect(),
            memory: list("memory")?,
        };
        ensure!(
            this.cpus.iter().all(|node| *node < this.memory.len()),
            "a CPU is on a node from {} on, which has no memory",
            this.memory.len()
        );
        Ok(this)
    }

    /// Returns the number of nodes.
    pub fn nodes(&self) -> usize {
        self.memory.len()
    }

    /// Returns the node of a physical address, or `None` if there is no memory.
    pub fn node_of(&self, physical: u64) -> Option<usize> {
        let total: u64 = self.memory.iter().sum::<u64>() * MIB;
        let hole = if total >= HOLE { HOLE_OF_LARGE } else { HOLE };
        let mut offset = match physical {
            _ if physical < hole => physical,
            _ if physical >= ABOVE => physical - ABOVE + hole,
            _ => return None,
        };
        for (node, mib) in self.memory.iter().enumerate() {
            if offset < mib * MIB {
                return Some(node);
            }
            offset -= mib * MIB;
        }
        None
    }
}

/// The form is that of the plug-in's arguments: `cpus=0/0/1/1,memory=1024/1024`.
impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |numbers: &mut dyn Iterator<Item = String>| numbers.collect::<Vec<_>>().join("/");
        let cpus = list(&mut self.cpus.iter().map(ToString::to_string));
        let memory = list(&mut self.memory.iter().map(ToString::to_string));
        write!(f, "cpus={cpus},memory={memory}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(cpus: &[usize], memory: &[u64]) -> Layout {
        Layout {
            cpus: cpus.to_vec(),
            memory: memory.to_vec(),
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let layout = layout(&[0, 0, 1, 1], &[1024, 512]);
        let text = layout.to_string();
        assert_eq!(text, "cpus=0/0/1/1,memory=1024/512");
        let words: Vec<_> = text.split(',').collect();
        assert_eq!(Layout::parse(&words).unwrap(), layout);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |words: &[&str]| Layout::parse(words).unwrap_err().to_string();
        assert!(error(&["cpus=0"]).contains("memory="));
        assert!(error(&["cpus=a", "memory=1"]).contains("\"a\""));
        assert!(error(&["cpus=1", "memory=1"]).contains("from 1 on"));
    }

    #[test]
    fn small_machines_have_their_memory_in_one_piece() {
        let layout = layout(&[0, 1], &[1024, 512]);
        for (physical, node) in [
            (0, Some(0)),
            ((1024 << 20) - 1, Some(0)),
            (1024 << 20, Some(1)),
            ((1536 << 20) - 1, Some(1)),
            (1536 << 20, None),
            (1 << 32, None),
        ] {
            assert_eq!(layout.node_of(physical), node, "{physical:#x}");
        }
    }

    #[test]
    fn large_machines_have_a_hole() {
        let layout = layout(&[0, 1], &[2048, 2048]);
        for (physical, node) in [
            ((2048 << 20) - 1, Some(0)),
            (2048 << 20, None),
            (u64::from(u32::MAX), None),
            (1 << 32, Some(1)),
            ((1 << 32) + (2048 << 20), None),
        ] {
            assert_eq!(layout.node_of(physical), node, "{physical:#x}");
        }
    }
}
