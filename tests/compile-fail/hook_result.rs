// SPDX-License-Identifier: GPL-2.0

//! What a function has returned, used as if its caller had passed it.

#![forbid(unsafe_code)]

use kernel::{bindings::seq_file, seq_file::SeqFile};
use tackle::function::{Pointer, Returning, Running};

pub fn file<'a, 'b>(
    pointer: Pointer<'a, *mut seq_file, Returning>,
    running: &'b impl Running<'a>,
) -> Option<&'b SeqFile> {
    pointer.get(running) //~ ERROR no method named `get` found
}
