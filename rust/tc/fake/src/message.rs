// SPDX-License-Identifier: GPL-2.0

//! Requests and attributes, in memory as `tc` has them.

use std::ffi::{c_int, c_void};
use std::slice;

/// Bytes that plug-ins count on.
const ROOM: usize = 1024;

/// `struct nlmsghdr` and `struct tcmsg`.
const HEADERS: usize = 16 + 20;

const TCA_OPTIONS: u16 = 2;

/// `struct nlmsghdr`, and the buffer that it stands at the start of.
#[repr(C, align(4))]
pub struct Request {
    length: u32,
    rest: [u8; ROOM - 4],
}

impl Request {
    /// A request without attributes.
    pub fn new() -> Self {
        Self {
            length: HEADERS as u32,
            rest: [0; ROOM - 4],
        }
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.length as usize == HEADERS
    }

    /// The payload of the only attribute.
    pub fn options(&self) -> Vec<u8> {
        let bytes = &self.rest[HEADERS - 4..self.length as usize - 4];
        let half = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        assert_eq!(
            usize::from(half(0)),
            bytes.len(),
            "one attribute, and whole"
        );
        assert_eq!(half(2), TCA_OPTIONS);
        bytes[4..].to_vec()
    }
}

/// `struct rtattr`, opaque.
#[repr(C)]
pub struct Attribute([u32; 0]);

impl Attribute {
    /// An attribute with this payload, aligned.
    pub fn boxed(payload: &[u8]) -> Vec<u32> {
        let length = u16::try_from(4 + payload.len()).expect("an attribute is short");
        let header = [length.to_ne_bytes(), TCA_OPTIONS.to_ne_bytes()].concat();
        [&header, payload]
            .concat()
            .chunks(4)
            .map(|chunk| {
                let mut word = [0; 4];
                word[..chunk.len()].copy_from_slice(chunk);
                u32::from_ne_bytes(word)
            })
            .collect()
    }
}

/// Adds an attribute, as `tc` does.
#[no_mangle]
unsafe extern "C" fn addattr_l(
    n: *mut Request,
    maxlen: c_int,
    kind: c_int,
    data: *const c_void,
    alen: c_int,
) -> c_int {
    // SAFETY: plug-ins hand on the request that `Plugin::parse` made.
    let request = unsafe { &mut *n };
    // SAFETY: plug-ins give `alen` bytes.
    let data = unsafe { slice::from_raw_parts(data.cast::<u8>(), alen as usize) };
    assert!(maxlen as usize <= ROOM, "more room than there is");
    let start = (request.length as usize).next_multiple_of(4);
    let end = start + 4 + data.len();
    if end.next_multiple_of(4) > maxlen as usize {
        return -1;
    }
    let bytes = &mut request.rest[start - 4..end - 4];
    bytes[..2].copy_from_slice(&(4 + data.len() as u16).to_ne_bytes());
    bytes[2..4].copy_from_slice(&(kind as u16).to_ne_bytes());
    bytes[4..].copy_from_slice(data);
    request.length = end.next_multiple_of(4) as u32;
    0
}
