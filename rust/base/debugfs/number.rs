// SPDX-License-Identifier: GPL-2.0

//! What a person writes to a file, as debugfs' own files read it.

use kernel::{
    bindings, error::to_result, prelude::*, str::kstrtobool_bytes, uaccess::UserSliceReader,
};

/// The size of the buffer that `simple_attr_write()` reads a number from.
const NUMBER_LEN: usize = 24;

/// A number as text.
///
/// # Invariants
///
/// Ends with a NUL.
struct Number([u8; NUMBER_LEN]);

impl Number {
    /// Takes what is written; like `simple_attr_write()`, what is too long for a number is
    /// cut, and then refused as out of range.
    fn read(reader: &mut UserSliceReader) -> Result<Self> {
        let mut text = [0; NUMBER_LEN];
        // INVARIANT: The last byte is left as it is.
        let len = reader.len().min(NUMBER_LEN - 1);
        reader.read_slice(&mut text[..len])?;
        Ok(Self(text))
    }
}

/// Reads an unsigned number: decimal, octal with a leading `0`, or hexadecimal with `0x`.
///
/// # Errors
///
/// - `EINVAL`: not a number.
/// - `ERANGE`: does not fit.
/// - `EFAULT`: not the caller's memory.
pub fn read_u64(reader: &mut UserSliceReader) -> Result<u64> {
    let number = Number::read(reader)?;
    let mut value = 0;
    // SAFETY: The text ends with a NUL, by the type invariants.
    to_result(unsafe { bindings::kstrtoull(number.0.as_ptr(), 0, &mut value) })?;
    Ok(value)
}

/// Reads a signed number, else as [`read_u64`].
///
/// # Errors
///
/// Those of [`read_u64`].
pub fn read_i64(reader: &mut UserSliceReader) -> Result<i64> {
    let number = Number::read(reader)?;
    let mut value = 0;
    // SAFETY: The text ends with a NUL, by the type invariants.
    to_result(unsafe { bindings::kstrtoll(number.0.as_ptr(), 0, &mut value) })?;
    Ok(value)
}

/// Reads a boolean: `Y`, `y`, `T`, `t`, `1`, `on`, or `N`, `n`, `F`, `f`, `0`, `off`.
///
/// # Errors
///
/// - `EINVAL`: none of these.
/// - `EFAULT`: not the caller's memory.
pub fn read_bool(reader: &mut UserSliceReader) -> Result<bool> {
    let mut text = [0; 2];
    let len = reader.len().min(text.len());
    reader.read_slice(&mut text[..len])?;
    kstrtobool_bytes(&text[..len])
}
