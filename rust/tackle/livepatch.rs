// SPDX-License-Identifier: GPL-2.0

//! Implements live patching: it redirects kernel functions to replacements in safe Rust.
//!
//! C header: [`include/linux/livepatch.h`](srctree/include/linux/livepatch.h), described
//! in `Documentation/livepatch/` of the kernel.
//!
//! This uses the kernel's livepatch core: its consistency model (each task is switched to the new
//! functions while it is in none of the old ones), its files under `/sys/kernel/livepatch`, and
//! its handling of modules. A patch is enabled when its module is loaded.
//! `echo 0 > /sys/kernel/livepatch/MODULE/enabled` disables it. Then the module can be unloaded.
//!
//! [`livepatch!`](crate::livepatch) declares a module that is a patch.
//!
//! # How a replacement stays type-safe
//!
//! The livepatch core identifies a function by its name alone. A
//! [`Function`](crate::function::Function) ties that name to a C prototype, and a
//! [`Replacement`] is a safe `fn` whose signature follows from this prototype.
//!
//! # What a replacement may do
//!
//! A replacement may do all that the replaced function may do. It can call the replaced function
//! ([`Original`]), and attach data of its own to any structure of the kernel ([`Shadow`]).

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
