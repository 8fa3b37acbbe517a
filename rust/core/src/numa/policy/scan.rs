// SPDX-License-Identifier: GPL-2.0

//! Implements the decision how often a task's memory is scanned.
//!
//! The kernel's rule is `update_task_scan_period()` in `kernel/sched/fair.c`. If at least 70 % of
//! the faults are private, it scans more slowly, even if all of them are remote. So a task that
//! begins to use other private memory waits up to a minute for this memory to become local. This
//! rule first checks where the memory is, and leaves all other decisions to the kernel.

use super::Params;

/// The faults of a task in the scan window that ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scan {
    /// The time for which the task has run on CPUs, in milliseconds.
    pub runtime_ms: u32,
    /// Its scan period, in milliseconds: `task_struct.numa_scan_period`.
    pub period_ms: u32,
    /// The minimum scan period.
    pub min_ms: u32,
    /// Pages of faults on the node of the CPU.
    pub local: u64,
    /// Pages of faults on other nodes.
    pub remote: u64,
    /// Pages of private faults.
    pub private: u64,
    /// Pages of shared faults.
    pub shared: u64,
    /// Pages whose migration has failed.
    pub failed: u64,
    /// Whether all its memory is unmovable, so that faults are useless.
    pub is_unmovable: bool,
}

/// The decision about the scans of a task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ScanDecision {
    /// Let the kernel's rule decide.
    Kernel,
    /// Do not scan now.
    Skip,
    /// Scan with this period, in milliseconds.
    Period(u32),
}

/// The percentage of local faults that is sufficient: `NUMA_PERIOD_THRESHOLD`.
const GOOD: u64 = 70;

/// Decides how often a task's memory is scanned.
pub fn scan_period(params: &Params, scan: &Scan) -> ScanDecision {
    if scan.is_unmovable {
        return ScanDecision::Skip;
    }
    // The kernel has its own delay before the first scan (`sysctl_numa_balancing_scan_delay`).
    if scan.runtime_ms < params.runtime_ms {
        return ScanDecision::Kernel;
    }
    let all = scan.local.saturating_add(scan.remote);
    let is_local = scan.local.saturating_mul(100) >= all.saturating_mul(GOOD);
    // If migrations have failed, the kernel scans more slowly, which is right.
    if is_local || scan.failed > 0 || scan.private < scan.shared {
        return ScanDecision::Kernel;
    }
    // This is the kernel's change for 0 % of local faults: it subtracts seven tenths.
    let faster = scan.period_ms / 10 * 3;
    ScanDecision::Period(faster.max(scan.min_ms).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REMOTE: Scan = Scan {
        runtime_ms: 5000,
        period_ms: 10_000,
        min_ms: 1000,
        local: 10,
        remote: 90,
        private: 100,
        shared: 0,
        failed: 0,
        is_unmovable: false,
    };

    fn decide(scan: Scan) -> ScanDecision {
        scan_period(&Params::DEFAULT, &scan)
    }

    #[test]
    fn private_memory_that_is_remote_is_scanned_faster() {
        assert_eq!(decide(REMOTE), ScanDecision::Period(3000));
        let fast = Scan {
            period_ms: 1200,
            ..REMOTE
        };
        assert_eq!(decide(fast), ScanDecision::Period(1000));
    }

    #[test]
    fn the_rest_is_left_to_the_kernel() {
        let local = Scan {
            local: 70,
            remote: 30,
            ..REMOTE
        };
        let failing = Scan {
            failed: 1,
            ..REMOTE
        };
        let sharing = Scan {
            private: 40,
            shared: 60,
            ..REMOTE
        };
        for scan in [
            local,
            failing,
            sharing,
            Scan {
                local: 0,
                remote: 0,
                ..REMOTE
            },
        ] {
            assert_eq!(decide(scan), ScanDecision::Kernel);
        }
    }

    #[test]
    fn the_young_are_left_to_the_kernel_and_the_unmovable_are_not_scanned() {
        let young = Scan {
            runtime_ms: 999,
            ..REMOTE
        };
        let unmovable = Scan {
            is_unmovable: true,
            ..REMOTE
        };
        assert_eq!(decide(young), ScanDecision::Kernel);
        assert_eq!(decide(unmovable), ScanDecision::Skip);
    }
}
