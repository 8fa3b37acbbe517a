// SPDX-License-Identifier: GPL-2.0

//! What a row counts, and how it is called in files.

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A counter or a maximum of a row. Neither decreases until the row is freed or cleared.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Counter {
            $($(#[$doc])* $name,)*
        }

        impl Counter {
            /// All of them, in the order of the words of a row.
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
    /// Pages of these faults.
    Pages = "pages",
    /// Those on the node of the CPU.
    Local = "local",
    /// Those that the kernel has counted as private.
    Private = "private",
    /// Those that the kernel has counted as shared.
    Shared = "shared",
    /// Those that were migrated.
    Migrated = "migrated",
    /// Those whose migration was tried and has failed.
    MigrateFailed = "migrate_failed",
    /// Hinting faults whose time is in the next two.
    Stalls = "stalls",
    /// Nanoseconds from the entry of `numa_migrate_check()` until the fault was counted.
    StallNs = "stall_ns",
    /// The longest of these times.
    StallMaxNs = "stall_max_ns",
    /// Migrations that succeeded.
    Migrations = "migrations",
    /// Nanoseconds that migrations took, also those that failed.
    MigrationNs = "migration_ns",
    /// The longest of these times.
    MigrationMaxNs = "migration_max_ns",
    /// Pages that were not migrated: the other node has little free memory.
    FailedNodeFull = "failed_node_full",
    /// ... their folio is isolated for something else.
    FailedIsolated = "failed_isolated",
    /// ... their folio is of a file, and dirty.
    FailedDirty = "failed_dirty",
    /// ... their folio is executable, of a file and in several processes.
    FailedSharedExec = "failed_shared_exec",
    /// ... their folio may be pinned for DMA.
    FailedPinned = "failed_pinned",
    /// ... `migrate_pages()` has failed.
    FailedRefused = "failed_refused",
    /// Calls of `task_numa_work()`.
    Scans = "scans",
    /// Nanoseconds that they took.
    ScanNs = "scan_ns",
    /// The longest of these times.
    ScanMaxNs = "scan_max_ns",
    /// Scans that have walked page tables.
    ScanScanned = "scan_scanned",
    /// ... that did not since the task exits.
    ScanExiting = "scan_exiting",
    /// ... since its cpuset has memory of one node.
    ScanOneNode = "scan_one_node",
    /// ... since the scan period is not over.
    ScanTooEarly = "scan_too_early",
    /// ... since `mmap_lock` was taken.
    ScanBusy = "scan_busy",
    /// VMAs that scans have skipped: they cannot be migrated, or have a policy.
    SkipUnsuitable = "skip_unsuitable",
    /// ... they map a file read-only.
    SkipSharedReadOnly = "skip_shared_ro",
    /// ... they cannot be accessed.
    SkipInaccessible = "skip_inaccessible",
    /// ... they are too young.
    SkipScanDelay = "skip_scan_delay",
    /// ... the task has not accessed them lately.
    SkipPidInactive = "skip_pid_inactive",
    /// ... these were scanned, though the task has not accessed them: their scan had begun.
    SkipIgnorePid = "skip_ignore_pid",
    /// ... they were scanned in this round.
    SkipSeqCompleted = "skip_seq_completed",
    /// Scan windows that have closed.
    Windows = "windows",
    /// Changes of the preferred node.
    PreferredChanges = "preferred_changes",
    /// Moves of the task to another node.
    Moves = "moves",
    /// Moves that have failed.
    MovesFailed = "moves_failed",
    /// Swaps of the task with one of another node.
    Swaps = "swaps",
    /// Swaps that have failed.
    SwapsFailed = "swaps_failed",
    /// Of a cgroup: hinting faults on folios that are charged to it.
    HintFaults = "hint_faults",
    /// Of a cgroup: those on the node of the CPU.
    HintFaultsLocal = "hint_faults_local",
    /// Of a cgroup: pages of such folios that were migrated.
    PagesMigrated = "pages_migrated",
}

impl Counter {
    /// The counter of migrations with the outcome `number` of `include/tackle/numa.h`; [`None`]
    /// for one that is not a failure.
    pub fn failed(number: usize) -> Option<Self> {
        Self::after(Self::MigrationMaxNs, number, Self::Scans)
    }

    /// The counter of scans with the result `number`.
    pub fn scan(number: usize) -> Option<Self> {
        Self::after(
            Self::ScanMaxNs,
            number.checked_add(1)?,
            Self::SkipUnsuitable,
        )
    }

    /// The counter of VMAs that were skipped for the reason `number`.
    pub fn skip(number: usize) -> Option<Self> {
        Self::after(Self::ScanBusy, number.checked_add(1)?, Self::Windows)
    }

    /// Returns the counter `number` places after `start`, if it precedes `end`. The counters of
    /// each
    /// group must be declared in the order of their numbers in `include/tackle/numa.h`.
    fn after(start: Self, number: usize, end: Self) -> Option<Self> {
        let index = (start as usize).checked_add(number)?;
        let counter = Self::ALL.get(index).copied()?;
        (number > 0 && index < end as usize).then_some(counter)
    }

    /// Returns whether rows are added up by taking the greater number.
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
    /// All of them, in the order of the words of a row.
    pub const ALL: [Self; 7] = [
        Self::Memory,
        Self::Cpu,
        Self::Private,
        Self::WindowPrivate,
        Self::WindowShared,
        Self::AveragePrivate,
        Self::AverageShared,
    ];

    /// Returns its name in files; [`None`] for what files do not have.
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
