// SPDX-License-Identifier: GPL-2.0

//! Implements functions about the machine's NUMA nodes: their CPUs, memory and distances. All
//! functions may be called in any context.

use crate::bindings;
use core::arch::asm;

/// Returns the node as a C `int`; [`None`] if the number is not below [`nodes`].
fn checked(node: usize) -> Option<i32> {
    i32::try_from(node).ok().filter(|_| node < nodes())
}

/// Returns the number of possible nodes, `nr_node_ids`. It does not change after boot.
pub fn nodes() -> usize {
    // SAFETY: Reads a variable, which does not change.
    // CAST: At most 1024.
    unsafe { bindings::nr_node_ids() as usize }
}

/// Returns whether `node` is online.
pub fn is_online(node: usize) -> bool {
    let Some(node) = checked(node) else {
        return false;
    };
    // SAFETY: The helper checks that the number is one that a node can have.
    unsafe { bindings::node_online(node) }
}

/// Returns the distance between two nodes as the firmware reports it: 10 from a node to itself, 255
/// if one node is unreachable from the other. [`None`] if one of the nodes is not online.
pub fn distance(from: usize, to: usize) -> Option<u32> {
    if !is_online(from) || !is_online(to) {
        return None;
    }
    // SAFETY: Both nodes are online, which was checked above.
    let distance = unsafe { bindings::node_distance(checked(from)?, checked(to)?) };
    u32::try_from(distance).ok()
}

/// Returns how many CPUs `node` has; 0 if it is not online.
pub fn cpus(node: usize) -> u32 {
    match checked(node) {
        // SAFETY: `checked` has checked that the node is below `nr_node_ids`.
        Some(node) => unsafe { bindings::node_cpus(node) },
        None => 0,
    }
}

/// Returns how many pages of `node` are free; 0 if it is not online.
pub fn free_pages(node: usize) -> u64 {
    match checked(node).filter(|_| is_online(node)) {
        // SAFETY: The node is online. Its counters stay valid when it goes offline.
        Some(node) => unsafe { bindings::node_free_pages(node) as u64 },
        None => 0,
    }
}

/// Returns how many pages of memory `node` has; 0 if it is not online.
pub fn present_pages(node: usize) -> u64 {
    match checked(node).filter(|_| is_online(node)) {
        // SAFETY: The node is online. Its data stays valid when it goes offline.
        Some(node) => unsafe { bindings::node_pages(node) as u64 },
        None => 0,
    }
}

/// Returns the node of a CPU; [`None`] if the CPU is not possible.
pub fn node_of_cpu(cpu: u32) -> Option<usize> {
    // SAFETY: The helper checks that there can be such a CPU.
    let node = unsafe { bindings::cpu_to_node(i32::try_from(cpu).ok()?) };
    usize::try_from(node).ok()
}

/// Returns the node of this CPU as a C `int`, like `numa_node_id()`. It is inline assembly and not
/// a call, since events of each fault use it.
#[inline(always)]
pub(super) fn this_node() -> i32 {
    let node: i32;
    // SAFETY: Reads the per-CPU variable `numa_node` of this CPU and changes nothing.
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

/// Converts the node of an event to an index; [`None`] if the number is negative (no node).
#[inline]
pub(super) fn index(node: i32) -> Option<usize> {
    usize::try_from(node).ok()
}
