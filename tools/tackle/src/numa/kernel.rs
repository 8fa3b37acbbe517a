// SPDX-License-Identifier: GPL-2.0

//! Finds out whether the kernel balances, and what keeps it from scanning.

use anyhow::{ensure, Result};
use serde::Serialize;

use super::nodes;
use crate::files;
use crate::roots::Roots;

/// Bits of the sysctl `kernel.numa_balancing` (`include/linux/sched/sysctl.h`).
const NORMAL: u32 = 1;
const MEMORY_TIERING: u32 = 2;

/// The settings that decide whether the kernel scans the memory of tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Kernel {
    /// How many nodes are online; 0 without `CONFIG_NUMA`.
    pub nodes: usize,
    /// The sysctl `kernel.numa_balancing`; [`None`] without `CONFIG_NUMA_BALANCING`.
    pub numa_balancing: Option<u32>,
    /// The name of the sched_ext scheduler that is enabled.
    pub sched_ext: Option<String>,
    /// Whether this scheduler schedules only tasks of the policy `SCHED_EXT`.
    pub sched_ext_partial: bool,
}

impl Kernel {
    /// Reads the state of the kernel.
    ///
    /// # Errors
    /// Returns an error if a file of procfs or sysfs cannot be read or is not valid.
    pub fn read(roots: &Roots) -> Result<Self> {
        let sched_ext = roots.sys.join("kernel/sched_ext");
        let state = files::read(&sched_ext.join("state"))?.unwrap_or_default();
        let is_off = matches!(state.as_str(), "" | "disabled");
        let name = files::read(&sched_ext.join("root/ops"))?;
        Ok(Self {
            nodes: nodes::online(roots)?.len(),
            numa_balancing: files::value(&roots.proc.join("sys/kernel/numa_balancing"))?,
            sched_ext: (!is_off).then(|| name.unwrap_or_else(|| "without a name".into())),
            sched_ext_partial: files::flag(&sched_ext.join("switch_all"))? == Some(false),
        })
    }

    /// Returns a line for each reason why there are fewer hinting faults than a user may expect.
    pub fn warnings(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match self.nodes {
            0 => lines.push("this kernel has no NUMA (CONFIG_NUMA)".to_owned()),
            1 => {
                lines.push("this machine has one NUMA node: there is nothing to balance".to_owned())
            }
            _ => {}
        }
        match self.numa_balancing {
            None => lines.push(
                "this kernel has no NUMA balancing (CONFIG_NUMA_BALANCING): there are no hinting \
                 faults"
                    .to_owned(),
            ),
            Some(0) => lines.push(
                "NUMA balancing is off, so there are no hinting faults: \
                 sysctl kernel.numa_balancing=1"
                    .to_owned(),
            ),
            Some(_) => {}
        }
        if let Some(name) = &self.sched_ext {
            let tasks = if self.sched_ext_partial {
                "its tasks"
            } else {
                "tasks"
            };
            lines.push(format!(
                "the sched_ext scheduler {name} is enabled: the kernel does not scan {tasks} for \
                 NUMA balancing"
            ));
        }
        lines
    }

    /// Prints the warnings to stderr.
    pub fn warn(&self) {
        for line in self.warnings() {
            eprintln!("tackle: {line}");
        }
    }

    /// Checks that the kernel can balance tasks between nodes.
    ///
    /// # Errors
    /// Returns an error if the kernel has no NUMA or no NUMA balancing, or if the machine has one
    /// node.
    pub fn check(&self) -> Result<()> {
        ensure!(self.nodes > 0, "this kernel has no NUMA (CONFIG_NUMA)");
        ensure!(
            self.numa_balancing.is_some(),
            "this kernel has no NUMA balancing (CONFIG_NUMA_BALANCING)"
        );
        ensure!(
            self.nodes > 1,
            "this machine has one NUMA node: there is nothing to balance"
        );
        Ok(())
    }

    /// Returns the mode of NUMA balancing as text.
    pub fn mode(&self) -> &'static str {
        match self.numa_balancing {
            None => "not in this kernel",
            Some(0) => "off",
            Some(NORMAL) => "on",
            Some(MEMORY_TIERING) => "memory tiering only",
            Some(_) => "on, with memory tiering",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual() -> Kernel {
        Kernel {
            nodes: 2,
            numa_balancing: Some(1),
            ..Kernel::default()
        }
    }

    #[test]
    fn each_reason_is_one_line() {
        assert!(usual().warnings().is_empty());
        let off = Kernel {
            nodes: 1,
            numa_balancing: Some(0),
            sched_ext: Some("rusty".into()),
            ..usual()
        };
        let lines = off.warnings();
        assert_eq!(lines.len(), 3, "{lines:?}");
        for (line, part) in lines
            .iter()
            .zip(["one NUMA node", "kernel.numa_balancing=1", "rusty"])
        {
            assert!(line.contains(part) && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn a_kernel_that_cannot_balance_is_refused() {
        assert!(usual().check().is_ok());
        for (nodes, numa_balancing) in [(0, None), (2, None), (1, Some(1))] {
            let kernel = Kernel {
                nodes,
                numa_balancing,
                ..usual()
            };
            assert!(kernel.check().is_err(), "{kernel:?}");
        }
    }
}
