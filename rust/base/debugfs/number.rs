// SPDX-License-Identifier: GPL-2.0

//! Implements reading of numbers and booleans that users write to a file, in the same formats as
//! debugfs' own files.

use kernel::{
    bindings, error::to_result, prelude::*, str::kstrtobool_bytes, uaccess::UserSliceReader,
};

/// The size of the buffer that `simple_attr_write()` reads a number from.
const NUMBER_LEN: usize = 24;

/// A number as text.
///
/// # Invariants
///
/// The last byte is a NUL.
struct Number([u8; NUMBER_LEN]);

impl Number {
    /// Reads the text that is written. Like `simple_attr_write()`, this cuts a text that is too
    /// long for a number. The remaining text is still out of range, so it is refused.
    fn read(reader: &mut UserSliceReader) -> Result<Self> {
        let mut text = [0; NUMBER_LEN];
        // INVARIANT: The last byte stays 0.
        let len = reader.len().min(NUMBER_LEN - 1);
        reader.read_slice(&mut text[..len])?;
        Ok(Self(text))
    }
}

/// Reads an unsigned number: decimal, octal with a leading `0`, or hexadecimal with `0x`.
///
/// # Errors
///
/// - `EINVAL`: the text is not a number.
/// - `ERANGE`: the number does not fit into 64 bits.
/// - `EFAULT`: the buffer is not memory of the calling process.
pub fn read_u64(reader: &mut UserSliceReader) -> Result<u64> {
    let number = Number::read(reader)?;
    let mut value = 0;
    // SAFETY: The text ends with a NUL, by the type invariants.
    to_result(unsafe { bindings::kstrtoull(number.0.as_ptr(), 0, &mut value) })?;
    Ok(value)
}

/// Reads a signed number, in the same formats as [`read_u64`].
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
/// - `EINVAL`: the text is none of these.
/// - `EFAULT`: the buffer is not memory of the calling process.
pub fn read_bool(reader: &mut UserSliceReader) -> Result<bool> {
    let mut text = [0; 2];
    let len = reader.len().min(text.len());
    reader.read_slice(&mut text[..len])?;
    kstrtobool_bytes(&text[..len])
}
