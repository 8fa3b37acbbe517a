// SPDX-License-Identifier: GPL-2.0

//! Live patching: kernel functions redirected to replacements in safe Rust.
//!
//! C header: [`include/linux/livepatch.h`](srctree/include/linux/livepatch.h), described
//! in `Documentation/livepatch/` of the kernel.
//!
//! This stands on the kernel's livepatch core: its consistency model (each task changes
//! over where it cannot be inside an old function), its files under
//! `/sys/kernel/livepatch`, its module handling. A patch is on from the load of its
//! module; `echo 0 > /sys/kernel/livepatch/MODULE/enabled` takes it off, after which the
//! module can be unloaded.
//!
//! [`livepatch!`](crate::livepatch) declares a module that is a patch.
//!
//! # How a replacement stays type-safe
//!
//! The livepatch core knows a function by its name alone. A
//! [`Function`](crate::function::Function) ties that name to its C prototype, and a
//! [`Replacement`] is a safe `fn` whose signature follows from it.
//!
//! # What a replacement may do
//!
//! All that the function may do whose place it takes. It can call that function
//! ([`Original`]), and keep data of its own with any structure of the kernel ([`Shadow`]).

mod declare;
mod func;
mod object;
mod patch;
mod shadow;
mod state;

pub use crate::function::{Original, Replacement};
pub use func::Func;
pub use object::Callbacks;
pub use patch::Patch;
pub use shadow::{Key, Portable, Shadow, ShadowRef, Shadows};
pub use state::{ModuleState, OwnState, PreviousState, State, Transition};

#[doc(hidden)]
pub use func::Funcs;
#[doc(hidden)]
pub use object::{Object, Objects};
#[doc(hidden)]
pub use shadow::AnyShadow;
#[doc(hidden)]
pub use state::States;

pub(crate) use shadow::init;
pub(crate) use shadow::sweep;
