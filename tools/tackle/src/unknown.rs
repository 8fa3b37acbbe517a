// SPDX-License-Identifier: GPL-2.0

//! Names that nobody has.

use anyhow::{anyhow, Error};

/// The error that there is no `what` called `name`: it has the names that there are.
pub fn unknown<'a>(what: &str, name: &str, names: impl Iterator<Item = &'a str>) -> Error {
    match names.collect::<Vec<_>>()[..] {
        [] => anyhow!("no {what} {name}: there is none"),
        ref names => anyhow!("no {what} {name}; there are: {}", names.join(", ")),
    }
}
