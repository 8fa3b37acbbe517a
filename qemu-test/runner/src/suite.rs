// SPDX-License-Identifier: GPL-2.0

//! Lists the suites, and what the suites of the guest need.

use anyhow::{bail, Result};

use crate::fault::suite::Set;
use crate::kernel::Kernel;
use crate::qemu::NODES;

/// A suite of the guest program. Each suite runs in a guest of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The name in the guest program.
    pub name: &'static str,
    /// The number of CPUs of its guest, distributed evenly over the NUMA nodes.
    pub cpus: u32,
    /// The number of NUMA nodes of its guest. If there are fewer CPUs, the last nodes have memory
    /// only.
    pub nodes: u32,
    /// The kernel option that the suite tests. It must be built in.
    pub needs: Option<&'static str>,
    /// Whether the CPUs also run at the same time under TCG, and not in turn, because the suite
    /// looks for races between them. Such a suite must not patch code that other CPUs execute.
    pub at_once: bool,
    /// Whether a plug-in of QEMU counts the memory accesses of its workloads. It then runs under
    /// [`Accel::Clocked`](crate::accel::Accel::Clocked), even if KVM is available.
    pub counts: bool,
    /// Kernel parameters that it needs.
    pub parameters: &'static [&'static str],
}

impl Guest {
    /// Returns a suite for all kernels, with two CPUs, one for each NUMA node.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            cpus: 2,
            nodes: NODES,
            needs: None,
            at_once: false,
            counts: false,
            parameters: &[],
        }
    }

    /// Restricts the suite to kernels with this option.
    pub const fn needing(self, option: &'static str) -> Self {
        Self {
            needs: Some(option),
            ..self
        }
    }

    /// Sets the number of CPUs.
    pub const fn on_cpus(self, cpus: u32) -> Self {
        Self { cpus, ..self }
    }

    /// Sets the number of NUMA nodes. Each of the first four has a CPU.
    pub const fn on_nodes(self, nodes: u32) -> Self {
        let cpus = if nodes < 4 { nodes } else { 4 };
        Self {
            cpus,
            nodes,
            ..self
        }
    }

    /// Lets the CPUs run at the same time under TCG, too.
    pub const fn at_once(self) -> Self {
        Self {
            at_once: true,
            ..self
        }
    }

    /// Lets a plug-in count memory accesses.
    pub const fn counting(self) -> Self {
        Self {
            counts: true,
            ..self
        }
    }

    /// Sets the kernel parameters.
    pub const fn with(self, parameters: &'static [&'static str]) -> Self {
        Self { parameters, ..self }
    }

    /// Returns why the suite cannot run on `kernel`, or `None` if it can.
    ///
    /// # Errors
    /// The errors are those of [`Kernel::has`].
    pub fn lacks(&self, kernel: &Kernel) -> Result<Option<String>> {
        match self.needs {
            Some(option) if !kernel.has(option)? => Ok(Some(format!("the kernel has no {option}"))),
            _ => Ok(None),
        }
    }
}

/// The suites of the guest program that belong to an ordinary run. The longest suites come first,
/// for the first run. Later runs sort the suites by their last times.
pub const GUEST: &[Guest] = &[
    Guest::new("stress").on_cpus(4),
    Guest::new("netlink_fuzz").at_once(),
    Guest::new("every_function").on_cpus(4),
    Guest::new("debugfs_fuzz"),
    Guest::new("load"),
    Guest::new("hooks"),
    Guest::new("tackle_hooks"),
    Guest::new("exit_hooks"),
    Guest::new("soundness"),
    Guest::new("livepatch"),
    Guest::new("tools"),
    Guest::new("numa"),
    Guest::new("numa4").on_nodes(4),
    Guest::new("numa_policy"),
    Guest::new("numa_policy4").on_nodes(4),
    // 64 is the maximum with CONFIG_NODES_SHIFT=6, the default of x86-64.
    Guest::new("numa64").on_nodes(64),
    Guest::new("numa_placement").on_cpus(4).counting(),
    Guest::new("rcodel"),
    Guest::new("rfq_codel"),
    Guest::new("fault"),
    Guest::new("fault_inject"),
    // With KUnit enabled, loading a module with tests runs the tests and taints the kernel.
    Guest::new("kunit")
        .needing("CONFIG_KUNIT")
        .with(&["kunit.enable=1", "kunit.autorun=1"]),
];

/// A suite that `--suite` can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// Lints.
    Checks,
    /// `cargo test`.
    Host,
    /// A suite of the guest program.
    Guest(Guest),
    /// Tests of the runner itself, with guests that fail on purpose.
    Rig,
    /// Campaigns of fault injection whose results are known.
    Campaigns(Set),
}

impl Suite {
    /// Returns all suites, in the order in which they run.
    pub fn all() -> Vec<Self> {
        let guest = GUEST.iter().copied().map(Self::Guest);
        [Self::Checks, Self::Host]
            .into_iter()
            .chain(guest)
            .chain([Self::Rig])
            .chain(Set::ALL.map(Self::Campaigns))
            .collect()
    }

    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Checks => "checks",
            Self::Host => "host",
            Self::Guest(guest) => guest.name,
            Self::Rig => "rig",
            Self::Campaigns(set) => set.name(),
        }
    }

    /// Returns whether the suite belongs to an ordinary run.
    fn is_ordinary(self) -> bool {
        match self {
            Self::Campaigns(set) => set.is_ordinary(),
            _ => true,
        }
    }

    /// Returns whether the suite boots a kernel.
    pub fn boots(self) -> bool {
        matches!(self, Self::Guest(_) | Self::Rig | Self::Campaigns(_))
    }
}

/// Returns the suites with these names, or those of an ordinary run if there are no names. Each
/// suite is returned once, in the order of [`Suite::all`].
///
/// # Errors
/// Fails when a name is unknown. The message lists the known names.
pub fn select(names: &[String]) -> Result<Vec<Suite>> {
    let all = Suite::all();
    if let Some(unknown) = names
        .iter()
        .find(|name| all.iter().all(|suite| suite.name() != name.as_str()))
    {
        let allowed: Vec<&str> = all.iter().map(|suite| suite.name()).collect();
        bail!("no suite {unknown:?}; there are {}", allowed.join(", "));
    }
    let wanted = |suite: &Suite| match names {
        [] => suite.is_ordinary(),
        _ => names.iter().any(|name| name == suite.name()),
    };
    Ok(all.into_iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_means_an_ordinary_run() {
        let ordinary = select(&[]).unwrap();
        assert!(ordinary.contains(&Suite::Campaigns(Set::Ourselves)));
        assert!(!ordinary.contains(&Suite::Campaigns(Set::Long)));
        assert_eq!(ordinary.len() + 1, Suite::all().len());
    }

    #[test]
    fn each_once_and_in_order() {
        let names = ["rig", "hooks", "rig", "host"].map(str::to_owned);
        assert_eq!(
            select(&names).unwrap(),
            [Suite::Host, Suite::Guest(Guest::new("hooks")), Suite::Rig]
        );
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = select(&["hook".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("\"hook\"") && error.contains("livepatch") && !error.contains('\n'));
    }
    #[test]
    fn a_suite_needs_what_the_kernel_was_built_with() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("config"),
            "CONFIG_KUNIT=m\nCONFIG_KASAN=y\n",
        )
        .unwrap();
        let kernel = Kernel {
            name: "k".into(),
            dir: dir.path().to_owned(),
        };
        let lacks = |suite: Guest| suite.lacks(&kernel).unwrap();
        assert_eq!(lacks(Guest::new("x")), None);
        assert_eq!(lacks(Guest::new("x").needing("CONFIG_KASAN")), None);
        assert_eq!(
            lacks(Guest::new("x").needing("CONFIG_KUNIT")).unwrap(),
            "the kernel has no CONFIG_KUNIT"
        );
    }

    #[test]
    fn cpus_are_shared_out_evenly() {
        for suite in GUEST {
            let nodes = suite.nodes.min(suite.cpus);
            assert_eq!(suite.cpus % nodes, 0, "{}", suite.name);
        }
    }

    #[test]
    fn the_first_nodes_have_a_cpu() {
        let on = |nodes| Guest::new("x").on_nodes(nodes).cpus;
        assert_eq!([1, 2, 4, 64].map(on), [1, 2, 4, 4]);
    }
}
