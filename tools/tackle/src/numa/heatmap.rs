// SPDX-License-Identifier: GPL-2.0

//! Draws the topology: a heat map of the distances, and the CPUs and memory of each node.

use anyhow::{anyhow, Result};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::nodes::Node;
use super::topology::{cpus, Kind, LOCAL_DISTANCE};

const TEXT: RGBColor = RGBColor(34, 38, 43);
const NEAR: RGBColor = RGBColor(236, 241, 246);
const FAR: RGBColor = RGBColor(199, 84, 36);
/// The margin around the picture.
const MARGIN: i32 = 16;
/// The title's height.
const TITLE: i32 = 40;
/// The space for the numbers of the nodes, above the cells and on their left.
const NUMBERS: i32 = 40;
/// The space for CPUs and memory of a node, on the right of the cells.
const ABOUT: i32 = 340;
/// The maximum length of a list of CPUs, in letters.
const LIST: usize = 20;

/// Draws the distances between the nodes. Returns the picture as SVG.
///
/// # Errors
/// Returns an error if plotters cannot draw the picture.
pub fn draw(kind: Kind, nodes: &[Node]) -> Result<String> {
    let mut svg = String::new();
    map(&mut svg, kind, nodes).map_err(|error| anyhow!("cannot draw the topology: {error}"))?;
    Ok(svg)
}

/// Returns the side of a cell in pixels. It is smaller for many nodes, but has room for three
/// digits.
fn side(nodes: usize) -> i32 {
    match nodes {
        0..=8 => 56,
        9..=16 => 40,
        _ => 24,
    }
}

fn map(svg: &mut String, kind: Kind, nodes: &[Node]) -> Result<(), Box<dyn std::error::Error>> {
    let side = side(nodes.len());
    let cells = side * i32::try_from(nodes.len())?;
    let width = 2 * MARGIN + NUMBERS + cells + ABOUT;
    let height = 2 * MARGIN + TITLE + NUMBERS + cells;
    let size = (u32::try_from(width)?, u32::try_from(height)?);
    let root = SVGBackend::with_string(svg, size).into_drawing_area();
    root.fill(&WHITE)?;
    let text = |text: String, place: (i32, i32), size: i32, colour: RGBColor, at: HPos| {
        let style = ("sans-serif", size).into_font().color(&colour);
        root.draw(&Text::new(
            text,
            place,
            style.pos(Pos::new(at, VPos::Center)),
        ))
    };
    let title = format!("NUMA distances, {kind}");
    text(
        title,
        (MARGIN, MARGIN + TITLE / 2 - 6),
        17,
        TEXT,
        HPos::Left,
    )?;
    let (left, top) = (MARGIN + NUMBERS, MARGIN + TITLE + NUMBERS);
    let most = nodes.iter().flat_map(|node| node.distances.values()).max();
    let most = most.copied().unwrap_or(LOCAL_DISTANCE);
    let letters = (side / 3).clamp(9, 15);
    for (row, from) in (0..).zip(nodes) {
        let y = top + row * side;
        let middle = y + side / 2;
        text(
            from.node.to_string(),
            (left - 10, middle),
            letters,
            TEXT,
            HPos::Right,
        )?;
        for (column, to) in (0..).zip(nodes) {
            let x = left + column * side;
            if row == 0 {
                text(
                    to.node.to_string(),
                    (x + side / 2, top - 12),
                    letters,
                    TEXT,
                    HPos::Center,
                )?;
            }
            let Some(distance) = from.distances.get(&to.node) else {
                continue;
            };
            let far = share(*distance, most);
            let corners = [(x, y), (x + side - 1, y + side - 1)];
            root.draw(&Rectangle::new(corners, between(far).filled()))?;
            let colour = if far > 0.6 { WHITE } else { TEXT };
            text(
                distance.to_string(),
                (x + side / 2, middle),
                letters,
                colour,
                HPos::Center,
            )?;
        }
        text(
            about(from),
            (left + cells + 16, middle),
            letters.max(11),
            TEXT,
            HPos::Left,
        )?;
    }
    root.present()?;
    Ok(())
}

/// Returns a distance on a scale from 0, the distance of a node to itself, to 1 for `most`.
fn share(distance: u32, most: u32) -> f64 {
    let range = most.saturating_sub(LOCAL_DISTANCE);
    if range == 0 {
        return 0.0;
    }
    f64::from(distance.saturating_sub(LOCAL_DISTANCE)) / f64::from(range)
}

fn between(share: f64) -> RGBColor {
    // CAST: The value lies between those of two colours.
    let mix =
        |near: u8, far: u8| (f64::from(near) + share * (f64::from(far) - f64::from(near))) as u8;
    RGBColor(mix(NEAR.0, FAR.0), mix(NEAR.1, FAR.1), mix(NEAR.2, FAR.2))
}

fn about(node: &Node) -> String {
    let mut list: String = cpus(node).chars().take(LIST).collect();
    if list.len() < cpus(node).len() {
        list += "...";
    }
    let (memory, free) = (node.memory_kb >> 10, node.free_kb >> 10);
    format!("CPUs {list}, {memory} MiB, {free} MiB free")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::picture;

    fn nodes(count: u32) -> Vec<Node> {
        let node = |node| Node {
            node,
            cpus: format!("{}-{}", 4 * node, 4 * node + 3),
            memory_kb: 1 << 20,
            free_kb: 1 << 19,
            distances: (0..count)
                .map(|to| (to, 10 + 5 * node.abs_diff(to)))
                .collect(),
        };
        (0..count).map(node).collect()
    }

    #[test]
    fn each_node_and_distance_is_drawn() {
        let svg = draw(Kind::GluelessMesh, &nodes(4)).unwrap();
        for part in [
            "GLUELESS_MESH",
            "CPUs 12-15, 1024 MiB, 512 MiB free",
            "\n25\n",
        ] {
            assert!(svg.contains(part), "no {part} in {svg}");
        }
        // The background and a cell for each pair.
        assert_eq!(svg.matches("<rect").count(), 1 + 4 * 4);
    }

    #[test]
    fn sixty_four_nodes_have_room() {
        let svg = draw(Kind::Backplane, &nodes(64)).unwrap();
        assert_eq!(svg.matches("<rect").count(), 1 + 64 * 64);
        assert!(svg.contains("\n325\n"));
    }

    #[test]
    fn a_picture_can_be_pixels() {
        let svg = draw(Kind::Direct, &nodes(2)).unwrap();
        let png = picture("a.png").unwrap().encode(svg).unwrap();
        assert!(png.starts_with(b"\x89PNG"));
    }

    #[test]
    fn one_node_is_near() {
        assert_eq!(share(10, 10), 0.0);
        assert_eq!(share(20, 20), 1.0);
        assert_eq!(share(15, 20), 0.5);
    }
}
