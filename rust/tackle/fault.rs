// SPDX-License-Identifier: GPL-2.0

//! Fault injection: attributes of modules (`rust/base/fault.rs`), and the injector, which makes
//! functions of the kernel fail for modules that know nothing of it.
//!
//! A [`Campaign`] hooks all functions once, with one `ftrace_ops`. The handler (`judge.rs`) finds
//! out which fault point a call is at and asks a [`Plan`](tackle_core::fault::Plan) whether it
//! fails. `rules.rs` has the table of functions and how each fails; `prepare.rs` compares it with
//! the kernel that runs. `Documentation/fault.rst` describes it for users.

pub use tackle_base::fault::*;

#[cfg(tackle_fault_inject)]
mod campaign;
#[cfg(tackle_fault_inject)]
mod judge;
#[cfg(tackle_fault_inject)]
mod names;
#[cfg(tackle_fault_inject)]
mod prepare;
#[cfg(tackle_fault_inject)]
mod rules;

#[cfg(tackle_fault_inject)]
pub use campaign::Campaign;
#[cfg(tackle_fault_inject)]
pub(crate) use campaign::{init, name_points};
#[cfg(tackle_fault_inject)]
pub use rules::show_rules;
