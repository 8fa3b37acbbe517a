// SPDX-License-Identifier: GPL-2.0

//! Implements fault injection: attributes of modules (`rust/base/fault.rs`), and the injector,
//! which makes functions of the kernel fail for modules that need no support for it.
//!
//! A [`Campaign`] hooks all functions once, with one `ftrace_ops`. The handler (`judge.rs`) finds
//! the fault point of a call, and decides by a [`Plan`](tackle_core::fault::Plan) whether the call
//! fails. `rules.rs` has the table of functions and how each fails; `prepare.rs` compares the table
//! with the running kernel. `Documentation/fault.rst` describes the injector for users.

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
