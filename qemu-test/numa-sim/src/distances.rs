// SPDX-License-Identifier: GPL-2.0

//! Makes matrices of node distances.

/// Returns distances of nodes that are equally far from each other.
pub fn full(nodes: usize) -> Vec<u8> {
    matrix(nodes, |_, _| 20)
}

/// Returns distances of nodes that are connected to two others each.
pub fn ring(nodes: usize) -> Vec<u8> {
    matrix(nodes, |a, b| {
        let one_way = a.abs_diff(b);
        let hops = one_way.min(nodes - one_way);
        // CAST: The value is at most 250.
        (10 + 10 * hops).min(250) as u8
    })
}

/// Returns distances of boxes of `size` nodes. Each `join` boxes are connected by controllers, and
/// so are these groups.
pub fn boxes(nodes: usize, size: usize, join: usize) -> Vec<u8> {
    matrix(nodes, |a, b| {
        if a / size == b / size {
            20
        } else if a / size / join == b / size / join {
            40
        } else {
            60
        }
    })
}

/// Returns distances of two nodes with CPUs, each with a node without CPUs beside it.
pub fn memory_nodes() -> Vec<u8> {
    vec![
        10, 20, 17, 28, //
        20, 10, 28, 17, //
        17, 28, 10, 28, //
        28, 17, 28, 10,
    ]
}

fn matrix(nodes: usize, distance: impl Fn(usize, usize) -> u8) -> Vec<u8> {
    let pairs = (0..nodes).flat_map(|a| (0..nodes).map(move |b| (a, b)));
    pairs
        .map(|(a, b)| if a == b { 10 } else { distance(a, b) })
        .collect()
}
