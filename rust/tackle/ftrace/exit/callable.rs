// SPDX-License-Identifier: GPL-2.0

//! Implements the check whether the trampolines of exit hooks can call a function.

use crate::{btf, symbol};
use kernel::prelude::*;
use tackle_core::hooks::calling;

/// Returns whether a trampoline can call the function at `address`: whether the function returns,
/// and gets all its arguments in registers. With `is_typed` the caller knows the second already.
///
/// # Errors
///
/// `ENOMEM`: there is no memory for the names of the symbol.
///
/// # Context
///
/// May sleep.
pub(super) fn is_callable(address: usize, is_typed: bool) -> Result<bool> {
    if cfg!(CONFIG_UNWINDER_GUESS) {
        // This unwinder also reports stale stack entries. So `dead.rs` could not find out which
        // trampolines a task that ends is in.
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
