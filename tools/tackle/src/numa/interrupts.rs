// SPDX-License-Identifier: GPL-2.0

//! Implements `tackle numa interrupts`: prints the node of each device, and the nodes whose CPUs
//! handle its interrupts.
//!
//! Formats: `/proc/interrupts` (`kernel/irq/proc.c`), `msi_irqs` and `numa_node` in
//! `Documentation/ABI/testing/sysfs-bus-pci`.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use serde::Serialize;

use super::nodes::{list, nodes, of_cpus, Numbers};
use super::source::shares;
use crate::files;
use crate::roots::Roots;
use crate::table::{json, say, table};

/// An interrupt of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Interrupt {
    /// The interrupt's number.
    pub irq: u32,
    /// The names that drivers have given to it.
    pub name: String,
    /// The PCI device. [`None`] if sysfs shows none for this interrupt.
    pub device: Option<String>,
    /// The driver of the device.
    pub driver: Option<String>,
    /// The node of the device. [`None`] if the firmware does not specify it.
    pub node: Option<u32>,
    /// How often the interrupt was handled.
    pub count: u64,
    /// How often the interrupt was handled, by the node of the CPU.
    pub by_node: BTreeMap<u32, u64>,
    /// The CPUs that handle it now, in the kernel's notation.
    pub cpus: String,
    /// The nodes of these CPUs.
    pub nodes: Numbers,
    /// Whether none of these nodes is that of the device. [`None`] if either is not known.
    pub remote: Option<bool>,
}

/// A PCI device.
#[derive(Clone, Debug)]
struct Device {
    name: String,
    driver: Option<String>,
    node: Option<u32>,
}

/// Prints the interrupts of all devices. With `only_remote`, prints only those that are handled on
/// other nodes than that of their device.
///
/// # Errors
/// Returns the errors of [`read`].
pub fn run(roots: &Roots, only_remote: bool, as_json: bool) -> Result<()> {
    let mut all = read(roots)?;
    all.retain(|interrupt| !only_remote || interrupt.remote == Some(true));
    if as_json {
        return json(&all);
    }
    say(&text(&all));
    Ok(())
}

/// Reads the interrupts of all devices, in order of their numbers.
///
/// # Errors
/// Returns an error if the kernel has no NUMA, or if a file cannot be read or is not valid.
pub fn read(roots: &Roots) -> Result<Vec<Interrupt>> {
    let nodes_of_cpus = of_cpus(&nodes(roots)?)?;
    let devices = devices(roots)?;
    let text = files::read(&roots.proc.join("interrupts"))?.context("no /proc/interrupts")?;
    let mut lines = text.lines();
    let heading = lines.next().unwrap_or_default().split_whitespace();
    let cpus: Option<Vec<u32>> = heading
        .map(|word| word.strip_prefix("CPU")?.parse().ok())
        .collect();
    let cpus = cpus.context("/proc/interrupts does not begin with CPUs")?;
    let mut found = Vec::new();
    for line in lines {
        // Interrupts of the CPU itself have names instead of numbers.
        let Some((irq, rest)) = line.split_once(':') else {
            continue;
        };
        let Ok(irq) = irq.trim().parse() else {
            continue;
        };
        let mut words = rest.split_whitespace();
        let counts: Vec<u64> = words
            .by_ref()
            .take(cpus.len())
            .map_while(|word| word.parse().ok())
            .collect();
        let mut by_node = BTreeMap::new();
        for (cpu, count) in cpus.iter().zip(&counts).filter(|(_, count)| **count > 0) {
            if let Some(node) = nodes_of_cpus.get(cpu) {
                *by_node.entry(*node).or_insert(0) += count;
            }
        }
        let (cpus, nodes) = handled_on(roots, irq, &nodes_of_cpus)?;
        let device = devices.get(&irq);
        let node = device.and_then(|device| device.node);
        let remote = node
            .filter(|_| !nodes.is_empty())
            .map(|node| !nodes.contains(&node));
        found.push(Interrupt {
            irq,
            name: name(roots, irq, words)?,
            device: device.map(|device| device.name.clone()),
            driver: device.and_then(|device| device.driver.clone()),
            node,
            count: counts.iter().sum(),
            by_node,
            cpus,
            nodes,
            remote,
        });
    }
    Ok(found)
}

/// Returns the name of an interrupt, which its drivers have given. Without the folder in sysfs it
/// is the end of the line in `/proc/interrupts`, after the name of the controller and its own
/// number.
fn name<'a>(roots: &Roots, irq: u32, words: impl Iterator<Item = &'a str>) -> Result<String> {
    let actions = roots.sys.join(format!("kernel/irq/{irq}/actions"));
    match files::read(&actions)? {
        Some(actions) if !actions.is_empty() => Ok(actions),
        _ => Ok(words.skip(2).collect::<Vec<_>>().join(" ")),
    }
}

/// Returns the CPUs that handle an interrupt, and their nodes. Architectures without an effective
/// affinity have only the configured affinity.
fn handled_on(roots: &Roots, irq: u32, nodes: &BTreeMap<u32, u32>) -> Result<(String, Numbers)> {
    let folder = roots.proc.join(format!("irq/{irq}"));
    let mut cpus = files::read(&folder.join("effective_affinity_list"))?.unwrap_or_default();
    if cpus.is_empty() {
        cpus = files::read(&folder.join("smp_affinity_list"))?.unwrap_or_default();
    }
    let of_cpu = |cpu| nodes.get(&cpu).copied();
    let nodes = list(&cpus)?.into_iter().filter_map(of_cpu).collect();
    Ok((cpus, nodes))
}

/// Returns the PCI device of each interrupt.
fn devices(roots: &Roots) -> Result<BTreeMap<u32, Device>> {
    let bus = roots.sys.join("bus/pci/devices");
    let mut found = BTreeMap::new();
    for name in files::names(&bus)? {
        let folder = bus.join(&name);
        let driver = fs::read_link(folder.join("driver")).ok();
        let driver = driver.and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
        // The value is -1 if the firmware does not specify the node.
        let node: Option<i64> = files::value(&folder.join("numa_node"))?;
        let device = Device {
            name,
            driver,
            node: node.and_then(|node| u32::try_from(node).ok()),
        };
        let messages = files::names(&folder.join("msi_irqs"))?;
        let mut irqs: Vec<u32> = messages.iter().filter_map(|irq| irq.parse().ok()).collect();
        if irqs.is_empty() {
            let line: Option<u32> = files::value(&folder.join("irq"))?;
            irqs.extend(line.filter(|irq| *irq != 0));
        }
        found.extend(irqs.into_iter().map(|irq| (irq, device.clone())));
    }
    Ok(found)
}

/// Returns the interrupts as a table. Those that are handled on other nodes than that of their
/// device are marked.
pub fn text(interrupts: &[Interrupt]) -> String {
    let heading = [
        "IRQ", "NAME", "DEVICE", "DRIVER", "NODE", "COUNT", "CPUS", "ON NODES", "BY NODE", "",
    ];
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    let rows = interrupts.iter().map(|one| {
        let on: Vec<_> = one.nodes.iter().map(u32::to_string).collect();
        [
            one.irq.to_string(),
            one.name.clone(),
            or_dash(&one.device),
            or_dash(&one.driver),
            or_dash(&one.node.map(|node| node.to_string())),
            one.count.to_string(),
            one.cpus.clone(),
            on.join(","),
            shares(&one.by_node, 4),
            if one.remote == Some(true) {
                "remote".into()
            } else {
                String::new()
            },
        ]
    });
    table(heading, &[0, 4, 5], rows)
}
