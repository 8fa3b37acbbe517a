// SPDX-License-Identifier: GPL-2.0

//! Defines the reasons why memory has no NUMA hinting faults.

use serde::{Serialize, Serializer};

/// A reason. Reasons for a whole VMA come first, then those for a page.
///
/// C original: `task_numa_work()` in `kernel/sched/fair.c`, `folio_can_map_prot_numa()` in
/// `mm/mempolicy.c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Huge pages of hugetlbfs.
    Hugetlb,
    /// A VMA that cannot migrate: `VM_IO` or `VM_PFNMAP`.
    Unmigratable,
    /// A VMA with `VM_MIXEDMAP`.
    MixedMap,
    /// A memory policy without `MPOL_F_MOF`.
    Policy,
    /// A file that is mapped read-only.
    ReadOnlyFile,
    /// A VMA that may be neither read, written nor executed.
    Inaccessible,
    /// Memory of a device, or without a `struct page`.
    Device,
    /// The zero page.
    Zero,
    /// A page that KSM has merged.
    Ksm,
    /// A page that is shared with other processes until one of them writes to it (copy on write).
    CowShared,
    /// A dirty page of a file.
    DirtyFile,
    /// A local page of a process with one thread.
    LocalSingle,
}

impl Reason {
    /// Returns the name for JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hugetlb => "hugetlb",
            Self::Unmigratable => "unmigratable",
            Self::MixedMap => "mixedmap",
            Self::Policy => "policy",
            Self::ReadOnlyFile => "read_only_file",
            Self::Inaccessible => "inaccessible",
            Self::Device => "device",
            Self::Zero => "zero_page",
            Self::Ksm => "ksm",
            Self::CowShared => "cow_shared",
            Self::DirtyFile => "dirty_file",
            Self::LocalSingle => "local_single_thread",
        }
    }

    /// Returns the reason as text.
    pub fn words(self) -> &'static str {
        match self {
            Self::Hugetlb => "hugetlb pages",
            Self::Unmigratable => "VMA cannot migrate (VM_IO, VM_PFNMAP)",
            Self::MixedMap => "VMA with VM_MIXEDMAP",
            Self::Policy => "memory policy without MOF",
            Self::ReadOnlyFile => "file mapped read-only",
            Self::Inaccessible => "VMA is inaccessible",
            Self::Device => "device memory",
            Self::Zero => "zero page",
            Self::Ksm => "merged by KSM",
            Self::CowShared => "shared until written (COW)",
            Self::DirtyFile => "dirty file page",
            Self::LocalSingle => "local, of the only thread",
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
