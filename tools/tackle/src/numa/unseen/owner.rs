// SPDX-License-Identifier: GPL-2.0

//! Finds the node of a page frame.
//!
//! In sysfs each node has links to its memory blocks. A block at the border of two nodes has a
//! link in both. For such a block, and without memory hotplug, the node is found by the ranges of
//! the zones in `/proc/zoneinfo`. If zones of two nodes overlap, the node is not known.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Context, Result};

use crate::files;
use crate::numa::nodes::{self, Numbers};
use crate::roots::Roots;

/// The nodes of all page frames.
#[derive(Debug, Default)]
pub struct Owners {
    /// The number of page frames in a memory block; 0 without memory hotplug.
    block: u64,
    /// The nodes that have a link to a block, by the block's number.
    blocks: BTreeMap<u64, Numbers>,
    /// The page frames of each zone, and its node.
    zones: Vec<(Range<u64>, u32)>,
}

impl Owners {
    /// Reads the nodes of all page frames.
    ///
    /// # Errors
    /// Returns an error if a file of sysfs or procfs cannot be read or is not valid.
    pub fn read(roots: &Roots, page_size: u64) -> Result<Self> {
        let size = roots.sys.join("devices/system/memory/block_size_bytes");
        let size = files::read(&size)?.unwrap_or_default();
        let block = match size.as_str() {
            "" => 0,
            size => u64::from_str_radix(size, 16)
                .with_context(|| format!("a block's size is '{size}'"))?,
        };
        let mut blocks: BTreeMap<u64, Numbers> = BTreeMap::new();
        for node in nodes::online(roots)? {
            let folder = nodes::folder(roots).join(format!("node{node}"));
            for name in files::names(&folder)? {
                let number = name
                    .strip_prefix("memory")
                    .and_then(|number| number.parse().ok());
                if let Some(number) = number {
                    blocks.entry(number).or_default().insert(node);
                }
            }
        }
        let zoneinfo = files::read(&roots.proc.join("zoneinfo"))?.unwrap_or_default();
        Ok(Self {
            block: block / page_size,
            blocks,
            zones: zones(&zoneinfo),
        })
    }

    /// Returns the node of a page frame; [`None`] if it is not known.
    pub fn node(&self, pfn: u64) -> Option<u32> {
        let nodes = pfn
            .checked_div(self.block)
            .and_then(|block| self.blocks.get(&block));
        if let Some(node) = nodes.and_then(only) {
            return Some(node);
        }
        let zones = self.zones.iter().filter(|(range, _)| range.contains(&pfn));
        only(&zones.map(|(_, node)| *node).collect())
    }
}

fn only(numbers: &Numbers) -> Option<u32> {
    numbers.first().copied().filter(|_| numbers.len() == 1)
}

/// Parses the zones in `/proc/zoneinfo`. Zones without pages are left out.
fn zones(text: &str) -> Vec<(Range<u64>, u32)> {
    let mut found = Vec::new();
    let (mut node, mut spanned) = (0, 0);
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["Node", number, "zone", _] => {
                node = number.trim_end_matches(',').parse().unwrap_or(0);
                spanned = 0;
            }
            ["spanned", count] => spanned = count.parse().unwrap_or(0),
            ["start_pfn:", first] if spanned > 0 => {
                let first: u64 = first.parse().unwrap_or(0);
                found.push((first..first.saturating_add(spanned), node));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONES: &str = "\
Node 0, zone      DMA
        spanned  4095
  start_pfn:           1
Node 0, zone   Normal
        spanned  100
  start_pfn:           4096
Node 1, zone   Normal
        spanned  1000
  start_pfn:           4196
Node 1, zone  Movable
        spanned  0
";

    #[test]
    fn a_block_has_one_node_or_its_zones_decide() {
        let owners = Owners {
            block: 4096,
            blocks: [(0, [0].into()), (1, [0, 1].into()), (2, [1].into())].into(),
            zones: zones(ZONES),
        };
        let nodes = [0, 4095, 4096, 4195, 4196, 8192, 100_000].map(|pfn| owners.node(pfn));
        let expected = [Some(0), Some(0), Some(0), Some(0), Some(1), Some(1), None];
        assert_eq!(nodes, expected);
    }

    #[test]
    fn without_blocks_there_are_zones() {
        let owners = Owners {
            zones: zones(ZONES),
            ..Owners::default()
        };
        assert_eq!(owners.node(4200), Some(1));
        let overlapping = Owners {
            zones: vec![(0..100, 0), (50..200, 1)],
            ..Owners::default()
        };
        assert_eq!(
            [10, 60, 150].map(|pfn| overlapping.node(pfn)),
            [Some(0), None, Some(1)]
        );
    }
}
