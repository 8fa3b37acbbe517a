// SPDX-License-Identifier: GPL-2.0

//! Formats the error for a name that does not exist.

use anyhow::{anyhow, Error};

/// Returns the error that no `what` is called `name`. Its text lists the existing `names`.
pub fn unknown<'a>(what: &str, name: &str, names: impl Iterator<Item = &'a str>) -> Error {
    match names.collect::<Vec<_>>()[..] {
        [] => anyhow!("no {what} {name}: there is none"),
        ref names => anyhow!("no {what} {name}; there are: {}", names.join(", ")),
    }
}
