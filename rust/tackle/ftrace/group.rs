// SPDX-License-Identifier: GPL-2.0

//! Implements the hash table by which one trampoline serves many functions with different hooks.
//!
//! Each time that an ops is registered or unregistered, ftrace walks over all functions of the
//! kernel. So hooks that are added together share one ops. Its trampoline looks up the called
//! function in this table.

use super::{
    slot::{no_hooks, Chain, Node},
    Call,
};
use core::sync::atomic::{AtomicPtr, Ordering};
use kernel::prelude::*;

struct Cell {
    /// The address of the function's entry; 0 in a free cell.
    ip: usize,
    chain: AtomicPtr<Node>,
}

/// The chains of functions, by the addresses of the functions' entries.
///
/// # Invariants
///
/// - There is a free cell, and the number of cells is a power of two.
/// - Each cell has the first node of a [`Chain`].
pub(super) struct Table {
    cells: KVVec<Cell>,
    shift: u32,
}

impl Table {
    /// Creates a table with room for `functions`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new(functions: usize) -> Result<Self> {
        // At most half of the cells are in use, so that most searches take one step.
        let len = functions.max(1).next_power_of_two() * 2;
        let mut cells = KVVec::with_capacity(len, GFP_KERNEL)?;
        for _ in 0..len {
            let chain = AtomicPtr::new(no_hooks());
            cells.push(Cell { ip: 0, chain }, GFP_KERNEL)?;
        }
        // INVARIANT: All cells are free.
        Ok(Self {
            cells,
            // Not `ilog2()`: objtool does not know that its panic function never returns.
            shift: usize::BITS - len.trailing_zeros(),
        })
    }

    /// Returns the index of the cell at which the search for `ip` begins.
    #[inline(always)]
    fn start(&self, ip: usize) -> usize {
        // Fibonacci hashing: the factor is 2^64 divided by the golden ratio.
        ip.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift
    }

    /// Adds a function. The caller has made the table with room for it.
    pub(super) fn add(&mut self, ip: usize, chain: &Chain) {
        let mask = self.cells.len() - 1;
        let mut index = self.start(ip);
        while let Some(cell) = self.cells.get_mut(index) {
            if cell.ip == 0 {
                cell.ip = ip;
                cell.chain = AtomicPtr::new(chain.first());
                return;
            }
            index = (index + 1) & mask;
        }
    }

    /// Makes the function at `ip`, which is in the table, run `chain`.
    pub(super) fn set(&self, ip: usize, chain: &Chain) {
        if let Some(cell) = self.cell(ip) {
            cell.chain.store(chain.first(), Ordering::Release);
        }
    }

    /// Makes all functions run no hook.
    pub(super) fn clear(&self) {
        for cell in &self.cells {
            cell.chain.store(no_hooks(), Ordering::Release);
        }
    }

    #[inline(always)]
    fn cell(&self, ip: usize) -> Option<&Cell> {
        let mask = self.cells.len() - 1;
        let mut index = self.start(ip);
        loop {
            let cell = self.cells.get(index)?;
            if cell.ip == ip {
                return Some(cell);
            }
            // By the type invariants there is a free cell, so the loop ends.
            if cell.ip == 0 {
                return None;
            }
            index = (index + 1) & mask;
        }
    }

    /// Returns the first node of the chain of the called function. If the table does not have the
    /// function, this is the chain without hooks.
    #[inline(always)]
    pub(super) fn find(&self, call: &Call) -> *const Node {
        match self.cell(call.ip) {
            Some(cell) => cell.chain.load(Ordering::Acquire),
            None => no_hooks(),
        }
    }
}
