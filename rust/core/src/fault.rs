// SPDX-License-Identifier: GPL-2.0

//! Implements the decisions of fault injection: whether a point of an attribute fails ([`Attr`]),
//! and which calls of hooked functions the fault injector lets fail (all other items).

mod attr;
mod command;
mod frame;
mod plan;
mod point;

pub use attr::{Attr, Failure, MAX_STACK_DEPTH};
pub use command::{
    Command, CommandError, Context, Operation, Selection, Value, COMMAND_LEN, DEFAULT_LIMIT,
    MAX_MODULES, MAX_NAMED, MODULE_NAME, STATUSES,
};
pub use frame::Frame;
pub use plan::{Counts, Mode, Plan};
pub use point::{Identity, Point, PointId, Points, Sight, COMM, DEPTH, MAX_POINTS};
