// SPDX-License-Identifier: GPL-2.0

//! Implements the balancing policy: decides where tasks and pages belong on a machine with several
//! NUMA nodes.
//!
//! The input is a [`Snapshot`] of the machine. The output is a [`Decision`] about each task with a
//! [`Reason`] in words, a [`Verdict`] about a page, and a scan period. This module does not
//! allocate memory: the caller supplies a [`Scratch`].
//!
//! - [`decide`] makes a plan for the whole machine at intervals,
//! - [`window`] decides about one task when its scan window ends,
//! - [`page`] decides about one page at a hinting fault,
//! - [`scan_period`] decides how often a task's memory is scanned.
//!
//! Each rule has a file:
//!
//! | rule | file |
//! | --- | --- |
//! | a task follows its memory | `follow_memory.rs` |
//! | memory follows its task | `memory_follows.rs` |
//! | groups form from shared faults | `group.rs` |
//! | a group larger than a node gets active nodes | `spread.rs` |
//! | backplanes and meshes are scored by distance | `topology.rs` |
//! | no move creates an imbalance | `balance.rs` |
//! | hysteresis prevents ping-pong | `hysteresis.rs` |
//! | only tasks that have run for seconds | `run_time.rs` |
//! | pinned tasks stay in their mask | `mask.rs` |
//! | unmovable memory attracts its task | `residency.rs` |

mod balance;
mod decide;
mod decision;
mod follow_memory;
mod group;
mod hysteresis;
mod lists;
mod mask;
mod memory_follows;
mod nodes;
mod reasons;
mod residency;
mod rotate;
mod run_time;
mod samples;
mod scan;
mod scratch;
mod snapshot;
mod spread;
mod topology;
mod window;

pub use balance::Room;
pub use decide::decide;
pub use decision::{Action, Decision, Reason};
pub use group::Group;
pub use memory_follows::{is_full, page, Page, Verdict};
pub use nodes::{NodeSet, MAX_NODES};
pub use samples::Samples;
pub use scan::{scan_period, Scan, ScanDecision};
pub use scratch::{Planned, Scratch};
pub use snapshot::{Faults, Node, Params, Snapshot, Task, LOAD_ONE, NEVER};
pub use spread::Vacancy;
pub use topology::{Kind, Topology, LOCAL_DISTANCE};
pub use window::{window, Preference};
