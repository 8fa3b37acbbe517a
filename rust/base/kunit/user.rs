// SPDX-License-Identifier: GPL-2.0

//! Implements memory of user space for KUnit tests. The thread of a test has none by itself.

use crate::bindings;
use kernel::{
    prelude::*,
    uaccess::{UserPtr, UserSlice, UserSliceReader},
};

/// Copies `bytes` to memory of user space, and returns a reader of them, as if a task had passed
/// them to `write(2)`.
///
/// # Errors
///
/// `ENOMEM`: there is no memory, or this is not the thread of a test.
///
/// # Context
///
/// The thread of a KUnit test. The memory is freed with the thread.
pub fn written(bytes: &[u8]) -> Result<UserSliceReader> {
    // SAFETY: The helper checks that a test runs, and maps addresses that no code uses.
    let address = unsafe { bindings::kunit_user_memory(bytes.len().max(1)) };
    if address == 0 {
        return Err(ENOMEM);
    }
    let slice = UserSlice::new(UserPtr::from_addr(address), bytes.len());
    let (reader, mut writer) = slice.reader_writer();
    writer.write_slice(bytes)?;
    Ok(reader)
}
