// SPDX-License-Identifier: GPL-2.0

//! Lists the suites. Each has a file, and some have a folder with further files.

mod codel_family;
mod debugfs_fuzz;
mod every_function;
mod exit_hooks;
mod fault;
mod fault_inject;
mod hooks;
mod kunit;
mod livepatch;
mod load;
pub mod netlink_fuzz;
mod numa;
mod numa4;
mod numa64;
mod numa_placement;
mod numa_policy;
mod numa_policy4;
mod rcodel;
mod rfq_codel;
mod rig;
mod soundness;
mod stress;
mod tackle_hooks;
mod tools;

use crate::suite::Suite;

/// Every suite, in the order of running.
pub const ALL: &[&Suite] = &[
    &hooks::SUITE,
    &tackle_hooks::SUITE,
    &exit_hooks::SUITE,
    &soundness::SUITE,
    &livepatch::SUITE,
    &numa::SUITE,
    &numa4::SUITE,
    &numa64::SUITE,
    &numa_placement::SUITE,
    &numa_policy::SUITE,
    &numa_policy4::SUITE,
    &rcodel::SUITE,
    &rfq_codel::SUITE,
    &fault::SUITE,
    &fault_inject::SUITE,
    &tools::SUITE,
    &load::SUITE,
    &every_function::SUITE,
    &debugfs_fuzz::SUITE,
    &netlink_fuzz::SUITE,
    &kunit::SUITE,
    &stress::SUITE,
    &rig::EXPECTATION,
    &rig::BUG,
    &rig::HANG,
    &rig::WARN,
    &rig::LEAK,
    &rig::USE_AFTER_FREE,
    &rig::INVERSION,
    &rig::HOOK_OOPS,
    &rig::FTRACE_DIES,
];
