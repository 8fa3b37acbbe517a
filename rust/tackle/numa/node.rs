// SPDX-License-Identifier: GPL-2.0

//! The machine's nodes. All functions may be called in any context.

use crate::bindings;
use core::arch::asm;

/// Returns the node as C has it, if there can be such a node.
fn checked(node: usize) -> Option<i32> {
    i32::try_from(node).ok().filter(|_| node < nodes())
}

/// Returns the number of nodes that there can be: `nr_node_ids`. It does not change.
pub fn nodes() -> usize {
    // SAFETY: Reads a number.
    // CAST: At most 1024.
    unsafe { bindings::nr_node_ids() as usize }
}

/// Returns whether `node` is online.
pub fn is_online(node: usize) -> bool {
    let Some(node) = checked(node) else {
        return false;
    };
    // SAFETY: The helper looks whether there can be such a node at all.
    unsafe { bindings::node_online(node) }
}

/// Returns the distance between two nodes, as firmware tells it: 10 from a node to itself, 255 if
/// there is no way. [`None`] if one of them is not online.
pub fn distance(from: usize, to: usize) -> Option<u32> {
    if !is_online(from) || !is_online(to) {
        return None;
    }
    // SAFETY: Both are nodes.
    let distance = unsafe { bindings::node_distance(checked(from)?, checked(to)?) };
    u32::try_from(distance).ok()
}

/// Returns how many CPUs `node` has; 0 if it is not online.
pub fn cpus(node: usize) -> u32 {
    match checked(node) {
        // SAFETY: There can be such a node.
        Some(node) => unsafe { bindings::node_cpus(node) },
        None => 0,
    }
}

/// Returns how many pages of `node` are free; 0 if it is not online.
pub fn free_pages(node: usize) -> u64 {
    match checked(node).filter(|_| is_online(node)) {
        // SAFETY: The node is online. Its counters stay when it goes offline.
        Some(node) => unsafe { bindings::node_free_pages(node) as u64 },
        None => 0,
    }
}

/// Returns how many pages of memory `node` has; 0 if it is not online.
pub fn present_pages(node: usize) -> u64 {
    match checked(node).filter(|_| is_online(node)) {
        // SAFETY: The node is online. Its data stays when it goes offline.
        Some(node) => unsafe { bindings::node_pages(node) as u64 },
        None => 0,
    }
}

/// Returns the node of a CPU; [`None`] if there can be no such CPU.
pub fn node_of_cpu(cpu: u32) -> Option<usize> {
    // SAFETY: The helper looks whether there can be such a CPU.
    let node = unsafe { bindings::cpu_to_node(i32::try_from(cpu).ok()?) };
    usize::try_from(node).ok()
}

/// Returns the node of this CPU as C has it: `numa_node_id()`. Not a call, since observers of
/// each fault need it.
#[inline(always)]
pub(super) fn this_node() -> i32 {
    let node: i32;
    // SAFETY: Reads this CPU's variable.
    unsafe {
        asm!(
            "mov {node:e}, gs:[rip + {variable}]",
            node = out(reg) node,
            variable = sym bindings::numa_node,
            options(nostack, preserves_flags, readonly),
        )
    };
    node
}

/// Returns a node of an event as an index; [`None`] for none.
#[inline]
pub(super) fn index(node: i32) -> Option<usize> {
    usize::try_from(node).ok()
}
