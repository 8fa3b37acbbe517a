// SPDX-License-Identifier: GPL-2.0

//! Implements a set of NUMA nodes, like `nodemask_t` in `include/linux/nodemask.h`.

use core::fmt;

/// The maximum number of nodes of a machine: `MAX_NUMNODES` of a kernel with `NODES_SHIFT=10`.
pub const MAX_NODES: usize = 1024;

const BITS: usize = u64::BITS as usize;
const WORDS: usize = MAX_NODES / BITS;

/// A set of nodes.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct NodeSet([u64; WORDS]);

impl NodeSet {
    /// The set without nodes.
    pub const EMPTY: Self = Self([0; WORDS]);
    /// The set of all possible nodes.
    pub const ALL: Self = Self([u64::MAX; WORDS]);

    /// Returns the set of one node, which is empty if `node` is not below [`MAX_NODES`].
    pub fn one(node: usize) -> Self {
        let mut set = Self::EMPTY;
        set.insert(node);
        set
    }

    /// Adds a node. Does nothing if `node` is not below [`MAX_NODES`].
    pub fn insert(&mut self, node: usize) {
        if let Some(word) = self.0.get_mut(node / BITS) {
            *word |= 1 << (node % BITS);
        }
    }

    /// Removes a node.
    pub fn remove(&mut self, node: usize) {
        if let Some(word) = self.0.get_mut(node / BITS) {
            *word &= !(1 << (node % BITS));
        }
    }

    /// Returns whether a node is in the set.
    pub fn contains(&self, node: usize) -> bool {
        let word = self.0.get(node / BITS).copied().unwrap_or(0);
        (word >> (node % BITS)) & 1 == 1
    }

    /// Returns the number of nodes in the set.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Returns whether no node is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// Returns the nodes in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(index, &word)| {
            let mut rest = word;
            core::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
                rest &= rest - 1;
                Some(index * BITS + bit)
            })
        })
    }
}

impl FromIterator<usize> for NodeSet {
    fn from_iter<I: IntoIterator<Item = usize>>(nodes: I) -> Self {
        let mut set = Self::EMPTY;
        nodes.into_iter().for_each(|node| set.insert(node));
        set
    }
}

/// Writes the set in the kernel's format for lists of nodes: `0-2,5`.
impl fmt::Display for NodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        let mut nodes = self.iter().peekable();
        while let Some(first) = nodes.next() {
            let mut last = first;
            while nodes.peek() == Some(&(last + 1)) {
                last += 1;
                nodes.next();
            }
            write!(f, "{comma}{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
            comma = ",";
        }
        Ok(())
    }
}

impl fmt::Debug for NodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn nodes_come_and_go() {
        let mut set: NodeSet = [0, 1, 2, 5, 64, 1023].into_iter().collect();
        set.insert(MAX_NODES);
        assert_eq!((set.len(), set.to_string().as_str()), (6, "0-2,5,64,1023"));
        set.remove(1);
        set.remove(MAX_NODES);
        assert!(!set.contains(1) && set.contains(1023) && !set.contains(usize::MAX));
        assert_eq!(set.to_string(), "0,2,5,64,1023");
        assert!(NodeSet::EMPTY.is_empty());
        assert_eq!(NodeSet::ALL.len(), MAX_NODES);
        assert_eq!(NodeSet::one(7).iter().next(), Some(7));
    }
}
