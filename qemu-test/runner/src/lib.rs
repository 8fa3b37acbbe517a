// SPDX-License-Identifier: GPL-2.0

//! Implements the host side of the tests: boots a kernel in QEMU, follows the guest on two serial
//! lines, turns their output into test results and sums these up.
//!
//! ```text
//!             +-- console.log (ttyS0) --> console: crashes, warnings --+
//!   qemu -----+                                                        +--> tracker --> report
//!             +-- ktap.log    (ttyS1) --> ktap: results ---------------+
//!      ^                                                               |
//!      +------------- follow: silence, time limit, signals <-----------+
//! ```
//!
//! The runner does not rely on a guest to end or to report its own failures. A test passes only if
//! the guest has reported so *and* the kernel log has no report of a crash, a warning, a stall or a
//! leak.

pub mod accel;
pub mod boot;
pub mod checks;
pub mod cli;
pub mod compile_fail;
pub mod console;
pub mod control;
pub mod demo;
pub mod ending;
pub mod fault;
pub mod follow;
pub mod host;
pub mod interrupt;
pub mod kernel;
pub mod ktap;
pub mod monitor;
pub mod pool;
pub mod probe;
pub mod process;
pub mod qemu;
pub mod report;
pub mod rig;
pub mod rundir;
pub mod saved;
pub mod scan;
pub mod session;
pub mod shell;
pub mod suite;
pub mod tail;
pub mod template;
pub mod testrun;
pub mod times;
pub mod tracker;
pub mod ui;
pub mod uml;
pub mod vm;
pub mod work;
