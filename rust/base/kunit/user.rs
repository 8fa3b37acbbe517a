// SPDX-License-Identifier: GPL-2.0

//! Memory of user space, which the thread of a test does not have by itself.

use crate::bindings;
use kernel::{
    prelude::*,
    uaccess::{UserPtr, UserSlice, UserSliceReader},
};

/// Returns what a task has handed to `write(2)`: `bytes`, in memory of user space.
///
/// # Errors
///
/// `ENOMEM`; so too when this is not the thread of a test.
///
/// # Context
///
/// The thread of a KUnit test. The memory goes with it.
pub fn written(bytes: &[u8]) -> Result<UserSliceReader> {
    // SAFETY: The helper looks for itself whether a test runs, and maps what nobody uses.
    let address = unsafe { bindings::kunit_user_memory(bytes.len().max(1)) };
    if address == 0 {
        return Err(ENOMEM);
    }
    let slice = UserSlice::new(UserPtr::from_addr(address), bytes.len());
    let (reader, mut writer) = slice.reader_writer();
    writer.write_slice(bytes)?;
    Ok(reader)
}
