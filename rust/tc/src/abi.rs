// SPDX-License-Identifier: GPL-2.0

//! Declares what `tc` exports to its plug-ins, and the C types in it.
//!
//! Functions whose prototypes differ between the [supported versions](crate#versions-of-tc)
//! must not be declared here.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr::null_mut;
use std::sync::atomic::AtomicI32;

/// `struct nlmsghdr`: the request that is being made. Only `tc` looks into it.
#[repr(C)]
pub struct NlMsgHdr {
    _private: [u8; 0],
}

/// C's `FILE`. `tc`'s print functions know where to print.
#[repr(C)]
pub struct File {
    _private: [u8; 0],
}

/// `struct rtattr`: the header of an attribute; the payload follows.
#[repr(C, align(4))]
pub struct RtAttr {
    /// Length of header and payload, in bytes.
    pub len: u16,
    /// Type and flags.
    pub kind: u16,
}

/// `TCA_OPTIONS`.
pub const TCA_OPTIONS: c_int = 2;

/// The size that plug-ins give for the buffer behind a request; `tc`'s is larger.
pub const REQUEST_SIZE: c_int = 1024;

/// `PRINT_FP` of `enum output_type`: in text only.
pub const PRINT_FP: c_uint = 1;

/// `PRINT_JSON` of `enum output_type`: in JSON only.
pub const PRINT_JSON: c_uint = 2;

/// `COLOR_NONE` of `enum color_attr`.
pub const COLOR_NONE: c_uint = 6;

/// `SPRINT_BSIZE`: the size of a buffer to print a value into.
pub const SPRINT_BSIZE: usize = 64;

extern "C" {
    pub fn addattr_l(
        n: *mut NlMsgHdr,
        maxlen: c_int,
        kind: c_int,
        data: *const c_void,
        alen: c_int,
    ) -> c_int;

    pub fn print_color_int(
        output: c_uint,
        color: c_uint,
        key: *const c_char,
        fmt: *const c_char,
        value: c_int,
    ) -> c_int;

    pub fn print_color_bool(
        output: c_uint,
        color: c_uint,
        key: *const c_char,
        fmt: *const c_char,
        value: bool,
    ) -> c_int;

    pub fn print_color_string(
        output: c_uint,
        color: c_uint,
        key: *const c_char,
        fmt: *const c_char,
        value: *const c_char,
    ) -> c_int;

    pub fn print_color_u64(
        output: c_uint,
        color: c_uint,
        key: *const c_char,
        fmt: *const c_char,
        value: u64,
    ) -> c_int;

    pub fn open_json_object(key: *const c_char);

    pub fn close_json_object();

    pub fn open_json_array(output: c_uint, key: *const c_char);

    pub fn close_json_array(output: c_uint, end: *const c_char);

    pub fn print_nl();

    /// How often the user said `-details`: an `int`, which has the layout of this.
    #[link_name = "show_details"]
    pub static SHOW_DETAILS: AtomicI32;

    pub fn sprint_time(time: u32, buf: *mut c_char) -> *mut c_char;

    pub fn get_unsigned(value: *mut c_uint, arg: *const c_char, base: c_int) -> c_int;

    pub fn get_u8(value: *mut u8, arg: *const c_char, base: c_int) -> c_int;

    pub fn get_size(size: *mut c_uint, arg: *const c_char) -> c_int;

    pub fn get_time(us: *mut c_uint, arg: *const c_char) -> c_int;

    pub fn get_time64(ns: *mut i64, arg: *const c_char) -> c_int;

    pub fn incomplete_command() -> !;

    /// Of the C library: looks up what the program or one of its libraries exports.
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// Whether `tc` shows sizes in gigabytes, too: since iproute2 6.18, which has added
/// `get_size64()` at the same time.
pub fn shows_gigabytes() -> bool {
    /// `RTLD_DEFAULT`: the program and all its libraries.
    const ALL: *mut c_void = null_mut();
    // SAFETY: the handle is allowed, and the name is a C string. What is found is not used.
    !unsafe { dlsym(ALL, c"get_size64".as_ptr()) }.is_null()
}
