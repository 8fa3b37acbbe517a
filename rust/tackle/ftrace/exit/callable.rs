// SPDX-License-Identifier: GPL-2.0

//! Which functions the trampolines of exit hooks can call.

use crate::{btf, symbol};
use kernel::prelude::*;
use tackle_core::hooks::calling;

/// Returns whether a trampoline can call the function at `address`: it returns, and gets all its
/// arguments in registers. `is_typed` says that the latter is known.
///
/// # Errors
///
/// `ENOMEM`.
///
/// # Context
///
/// May sleep.
pub(super) fn is_callable(address: usize, is_typed: bool) -> Result<bool> {
    if cfg!(CONFIG_UNWINDER_GUESS) {
        // Tasks that end in a function could not be told from those that will return.
        return Ok(false);
    }
    let Some(function) = symbol::symbol_at(address)? else {
        return Ok(false);
    };
    let Ok(name) = function.name.to_str() else {
        return Ok(false);
    };
    if !calling::returns(name) {
        return Ok(false);
    }
    Ok(is_typed || btf::is_in_registers(function.module.as_deref(), &function.name))
}
