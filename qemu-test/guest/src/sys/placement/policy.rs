// SPDX-License-Identifier: GPL-2.0

//! What places tasks and memory: nothing, the kernel, our policy, or a person.

use anyhow::Result;

use crate::sys::debugfs::Settings;
use crate::sys::numa_balance::MODULE;
use crate::sys::{module, numa};

/// Milliseconds before the first scan of an address space, and at least and at most between two.
/// They are a fifth of the kernel's defaults, since the workloads have a small memory and run for
/// seconds only. All policies have the same.
const SCANS: [&str; 3] = ["200", "200", "12000"];

/// The times of our policy, in the same proportion to its defaults.
const PARAMETERS: &str = "interval_ms=200 runtime_ms=200 settle_ms=800 scan_min_ms=200";

/// A policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Nothing moves memory, and tasks are moved for the sake of load alone.
    None,
    /// The kernel's own NUMA balancing.
    Kernel,
    /// The same with the decisions of `numa_balance`.
    Ours,
    /// Tasks and memory are placed as well as can be from the start, and stay there.
    Pinned,
}

impl Policy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Kernel, Self::Ours, Self::Pinned];

    /// Its name, as a subject of the benchmark.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Kernel => "kernel",
            Self::Ours => "ours",
            Self::Pinned => "pinned",
        }
    }

    /// Puts it in force until [`Applied::end`]. Before, the guest has to be [`quiet`].
    ///
    /// # Errors
    ///
    /// The kernel does not balance, or does not take the module.
    pub fn apply(self) -> Result<Applied> {
        let balances = matches!(self, Self::Kernel | Self::Ours);
        let module = (self == Self::Ours).then(|| module::stack(MODULE, PARAMETERS));
        Ok(Applied {
            module: module.transpose()?,
            _switch: balances.then(numa::switch_on).transpose()?,
        })
    }
}

/// Switches balancing off, and sets the times between scans, as long as the value lives. Processes
/// that are started meanwhile can put their memory where they want it.
///
/// # Errors
///
/// The kernel does not balance.
pub fn quiet() -> Result<Settings> {
    numa::balance("0", SCANS)
}

/// A policy in force.
pub struct Applied {
    module: Option<module::Stack>,
    _switch: Option<Settings>,
}

impl Applied {
    /// Ends it.
    ///
    /// # Errors
    ///
    /// The module cannot be unloaded.
    pub fn end(self) -> Result<()> {
        self.module.map_or(Ok(()), module::Stack::unload)
    }
}
