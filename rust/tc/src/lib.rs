// SPDX-License-Identifier: GPL-2.0

//! Plug-ins of `tc` for queueing disciplines, in safe code.
//!
//! For a qdisc of kind `KIND` that it has no code for, `tc` opens `q_KIND.so` in the folder
//! `TC_LIB_DIR` (or one chosen when `tc` was built) and looks up `KIND_qdisc_util` there: a
//! table of functions that make netlink attributes of the words of a command line, and text
//! or JSON of the attributes and statistics that the kernel sends. A plug-in is a type that
//! implements [`Qdisc`] and a line that exports the table:
//!
//! ```
//! use tackle_tc::{Attributes, Error, Options, Printer, Qdisc, Words};
//!
//! struct Shallow;
//!
//! impl Qdisc for Shallow {
//!     const USAGE: &'static [&'static str] = &["[ limit PACKETS ]"];
//!
//!     fn parse(words: &mut Words<'_>, options: &mut Options) -> Result<(), Error> {
//!         while let Some(word) = words.next() {
//!             match word {
//!                 "limit" => options.put_u32(1, words.number()?),
//!                 other => return Err(Error::unknown(other)),
//!             }
//!         }
//!         Ok(())
//!     }
//!
//!     fn print(options: &Attributes<'_>, out: &mut Printer) {
//!         if let Some(limit) = options.u32(1) {
//!             out.uint(c"limit", limit, format_args!("limit {limit}p "));
//!         }
//!     }
//!
//!     fn print_xstats(_: &[u8], _: &mut Printer) {}
//! }
//!
//! tackle_tc::plugin!("shallow", Shallow);
//! # use tackle_tc_fake as _; // stands in for tc
//! ```
//!
//! Printing goes through `tc`'s own functions, so that `-json`, `-pretty` and `-oneline`
//! work as for the kinds that `tc` knows. Numbers, times and sizes are read by `tc`'s own
//! functions, so that a plug-in takes what `tc` takes; see [`Words`] for the exceptions.
//!
//! C headers (iproute2): `tc/tc_util.h`, `include/json_print.h`, `include/libnetlink.h`,
//! `include/utils.h`.
//!
//! # Versions of `tc`
//!
//! Plug-ins work with `tc` of iproute2 6.1 (Debian 12) to 7.1, the newest one when this was
//! written. `tc` exports the functions that its plug-ins call, and does not promise that they
//! stay as they are. So this crate uses only functions and structures that are the same in all
//! of these versions. `sprint_size()` and `print_color_size()` are not: their argument has 32
//! bits up to 6.17 and 64 bits since 6.18. [`Size`] does without them.

#![warn(missing_docs)]

mod abi;
mod attributes;
pub mod codel;
mod error;
mod parse;
mod plugin;
mod print;
mod words;

pub use attributes::Options;
pub use error::Error;
pub use plugin::QdiscUtil;
pub use print::{Hex, Printer, SignedTime, Size, SizeOption, Time, TimeOption};
pub use tackle_core::netlink::Attributes;
pub use words::Words;

/// How `tc` speaks of one kind of queueing discipline.
///
/// A panic in any of the functions is reported on standard error and fails the command.
pub trait Qdisc {
    /// The options, line by line as the usage text has them, without the kind's name.
    const USAGE: &'static [&'static str];

    /// Makes the attributes inside `TCA_OPTIONS` of what follows the kind's name on the
    /// command line.
    ///
    /// # Errors
    ///
    /// A word or a value is not allowed, or the user asks for help. Nothing is sent to the
    /// kernel then.
    fn parse(words: &mut Words<'_>, options: &mut Options) -> Result<(), Error>;

    /// Prints the attributes that the kernel sent in `TCA_OPTIONS`, each followed by a blank.
    fn print(options: &Attributes<'_>, out: &mut Printer);

    /// Prints the kind's own statistics, the payload of `TCA_XSTATS` or `TCA_STATS_APP`: as
    /// long as the kernel has made them, which may be shorter or longer than expected.
    fn print_xstats(xstats: &[u8], out: &mut Printer);
}
