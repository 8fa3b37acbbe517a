// SPDX-License-Identifier: GPL-2.0

//! Defines the counters and vectors of a row, and their names in files.

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A counter or a maximum of a row. Neither decreases until the row is freed or cleared.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Counter {
            $($(#[$doc])* $name,)*
        }

        impl Counter {
            /// All counters, in the order of the words of a row.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns its name in files.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

counters! {
    /// Calls of `task_numa_fault()`.
    Faults = "faults",
    /// Pages of all faults.
    Pages = "pages",
    /// Pages of faults on the node of the CPU.
    Local = "local",
    /// Pages of faults that the kernel has counted as private.
    Private = "private",
    /// Pages of faults that the kernel has counted as shared.
    Shared = "shared",
    /// Pages of faults that were migrated.
    Migrated = "migrated",
    /// Pages of faults whose migration has failed.
    MigrateFailed = "migrate_failed",
    /// Hinting faults whose time is in `StallNs` and `StallMaxNs`.
    Stalls = "stalls",
    /// Nanoseconds from the entry of `numa_migrate_check()` until the fault was counted.
    StallNs = "stall_ns",
    /// The longest of these times.
    StallMaxNs = "stall_max_ns",
    /// Migrations that succeeded.
    Migrations = "migrations",
    /// Nanoseconds that migrations took, including those that failed.
    MigrationNs = "migration_ns",
    /// The longest of these times.
    MigrationMaxNs = "migration_max_ns",
    /// Pages that were not migrated, since the other node has little free memory.
    FailedNodeFull = "failed_node_full",
    /// Pages that were not migrated, since their folio is isolated for another reason.
    FailedIsolated = "failed_isolated",
    /// Pages that were not migrated, since their folio is a dirty one of a file.
    FailedDirty = "failed_dirty",
    /// Pages that were not migrated, since their folio is an executable one of a file that several
    /// processes map.
    FailedSharedExec = "failed_shared_exec",
    /// Pages that were not migrated, since their folio may be pinned for DMA.
    FailedPinned = "failed_pinned",
    /// Pages that were not migrated, since `migrate_pages()` has failed.
    FailedRefused = "failed_refused",
    /// Calls of `task_numa_work()`.
    Scans = "scans",
    /// Nanoseconds that these calls took.
    ScanNs = "scan_ns",
    /// The longest of these times.
    ScanMaxNs = "scan_max_ns",
    /// Scans that have walked page tables.
    ScanScanned = "scan_scanned",
    /// Scans that were skipped, since the task exits.
    ScanExiting = "scan_exiting",
    /// Scans that were skipped, since the task's cpuset has memory of only one node.
    ScanOneNode = "scan_one_node",
    /// Scans that were skipped, since the scan period has not ended.
    ScanTooEarly = "scan_too_early",
    /// Scans that were skipped, since `mmap_lock` was held.
    ScanBusy = "scan_busy",
    /// VMAs that scans have skipped, since they cannot be migrated or have a policy.
    SkipUnsuitable = "skip_unsuitable",
    /// VMAs that scans have skipped, since they map a file read-only.
    SkipSharedReadOnly = "skip_shared_ro",
    /// VMAs that scans have skipped, since they cannot be accessed.
    SkipInaccessible = "skip_inaccessible",
    /// VMAs that scans have skipped, since they are too new.
    SkipScanDelay = "skip_scan_delay",
    /// VMAs that scans have skipped, since the task has not accessed them recently.
    SkipPidInactive = "skip_pid_inactive",
    /// VMAs that were scanned although the task has not accessed them, since their scan had begun.
    SkipIgnorePid = "skip_ignore_pid",
    /// VMAs that scans have skipped, since they were scanned in this round already.
    SkipSeqCompleted = "skip_seq_completed",
    /// Scan windows that have ended.
    Windows = "windows",
    /// Changes of the preferred node.
    PreferredChanges = "preferred_changes",
    /// Moves of the task to another node.
    Moves = "moves",
    /// Moves that have failed.
    MovesFailed = "moves_failed",
    /// Swaps of the task with a task of another node.
    Swaps = "swaps",
    /// Swaps that have failed.
    SwapsFailed = "swaps_failed",
    /// Only for cgroups: hinting faults on folios that are charged to the cgroup.
    HintFaults = "hint_faults",
    /// Only for cgroups: such hinting faults on the node of the CPU.
    HintFaultsLocal = "hint_faults_local",
    /// Only for cgroups: pages of such folios that were migrated.
    PagesMigrated = "pages_migrated",
}

impl Counter {
    /// Returns the counter of migrations with the outcome `number` of `include/tackle/numa.h`;
    /// [`None`] for an outcome that is no failure.
    pub fn failed(number: usize) -> Option<Self> {
        Self::after(Self::MigrationMaxNs, number, Self::Scans)
    }

    /// Returns the counter of scans with the result `number`.
    pub fn scan(number: usize) -> Option<Self> {
        Self::after(
            Self::ScanMaxNs,
            number.checked_add(1)?,
            Self::SkipUnsuitable,
        )
    }

    /// Returns the counter of VMAs that were skipped for the reason `number`.
    pub fn skip(number: usize) -> Option<Self> {
        Self::after(Self::ScanBusy, number.checked_add(1)?, Self::Windows)
    }

    /// Returns the counter `number` places after `start`, if it precedes `end`. The counters of
    /// each group must be declared in the order of their numbers in `include/tackle/numa.h`.
    fn after(start: Self, number: usize, end: Self) -> Option<Self> {
        let index = (start as usize).checked_add(number)?;
        let counter = Self::ALL.get(index).copied()?;
        (number > 0 && index < end as usize).then_some(counter)
    }

    /// Returns whether the sum of rows has the maximum of this counter.
    pub const fn is_maximum(self) -> bool {
        matches!(
            self,
            Self::StallMaxNs | Self::MigrationMaxNs | Self::ScanMaxNs
        )
    }
}

/// A list of a row with an element for each node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Vector {
    /// Pages of faults, by the node of the memory.
    Memory,
    /// Pages of faults, by the node of the CPU.
    Cpu,
    /// Pages of private faults, by the node of the memory.
    Private,
    /// Private pages of the current scan window, by the node of the memory.
    WindowPrivate,
    /// Shared pages of the current scan window, by the node of the memory.
    WindowShared,
    /// The average of private pages, which halves with each scan window.
    AveragePrivate,
    /// The average of shared pages, which halves with each scan window.
    AverageShared,
}

impl Vector {
    /// All vectors, in the order of the words of a row.
    pub const ALL: [Self; 7] = [
        Self::Memory,
        Self::Cpu,
        Self::Private,
        Self::WindowPrivate,
        Self::WindowShared,
        Self::AveragePrivate,
        Self::AverageShared,
    ];

    /// Returns its name in files; [`None`] for a vector that files do not show.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Memory => Some("mem"),
            Self::Cpu => Some("cpu"),
            Self::Private => Some("priv"),
            Self::WindowPrivate | Self::WindowShared => None,
            Self::AveragePrivate => Some("avg_private"),
            Self::AverageShared => Some("avg_shared"),
        }
    }
}
