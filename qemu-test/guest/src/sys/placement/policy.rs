// SPDX-License-Identifier: GPL-2.0

//! Selects what places tasks and memory: nothing, the kernel, our policy, or fixed places.

use anyhow::Result;

use crate::sys::debugfs::Settings;
use crate::sys::numa_balance::MODULE;
use crate::sys::{module, numa};

/// The delay before the first scan of an address space, and the minimum and the maximum time
/// between two scans, in milliseconds. They are a fifth of the kernel's defaults, because the
/// workloads have little memory and run only for seconds. They are the same for all policies.
const SCANS: [&str; 3] = ["200", "200", "12000"];

/// The times of our policy, which are also a fifth of its defaults.
const PARAMETERS: &str = "interval_ms=200 runtime_ms=200 settle_ms=800 scan_min_ms=200";

/// A policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Nothing moves memory, and tasks are moved only to balance the load.
    None,
    /// The kernel's own NUMA balancing.
    Kernel,
    /// The kernel's NUMA balancing with the decisions of `numa_balance`.
    Ours,
    /// Tasks and memory are pinned to the best places from the start.
    Pinned,
}

impl Policy {
    /// All policies.
    pub const ALL: [Self; 4] = [Self::None, Self::Kernel, Self::Ours, Self::Pinned];

    /// Returns the name of the policy, as a subject of the benchmark.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Kernel => "kernel",
            Self::Ours => "ours",
            Self::Pinned => "pinned",
        }
    }

    /// Applies the policy until [`Applied::end`]. The guest must be [`quiet`] before.
    ///
    /// # Errors
    ///
    /// The kernel has no NUMA balancing, or refuses the module.
    pub fn apply(self) -> Result<Applied> {
        let balances = matches!(self, Self::Kernel | Self::Ours);
        let module = (self == Self::Ours).then(|| module::stack(MODULE, PARAMETERS));
        Ok(Applied {
            module: module.transpose()?,
            _switch: balances.then(numa::switch_on).transpose()?,
        })
    }
}

/// Switches balancing off, and sets the times between scans, until the value is dropped. Processes
/// that are started before that can place their memory without interference.
///
/// # Errors
///
/// The kernel does not balance.
pub fn quiet() -> Result<Settings> {
    numa::balance("0", SCANS)
}

/// A policy that is applied.
pub struct Applied {
    module: Option<module::Stack>,
    _switch: Option<Settings>,
}

impl Applied {
    /// Ends the policy.
    ///
    /// # Errors
    ///
    /// The module cannot be unloaded.
    pub fn end(self) -> Result<()> {
        self.module.map_or(Ok(()), module::Stack::unload)
    }
}
