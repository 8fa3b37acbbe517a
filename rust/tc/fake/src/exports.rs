// SPDX-License-Identifier: GPL-2.0

//! The functions of `tc` that print.

use std::ffi::{c_char, c_int, c_uint, CStr};
use std::ptr::null;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

use serde_json::{json, Value};

use crate::{close, is_wanted, member, open, PRINTED};

/// `COLOR_NONE` of `enum color_attr`: plug-ins print without colours.
const COLOR_NONE: c_uint = 6;

fn text(text: &str) {
    PRINTED.with_borrow_mut(|printed| printed.text.push_str(text));
}

/// Values in text go through `print_color_string`, so that no format has to be read here.
fn value(output: c_uint, color: c_uint, key: *const c_char, value: Value) -> c_int {
    assert_eq!(color, COLOR_NONE);
    if is_wanted(output) {
        member(key, value);
    }
    0
}

#[no_mangle]
extern "C" fn print_color_int(
    output: c_uint,
    color: c_uint,
    key: *const c_char,
    _fmt: *const c_char,
    number: c_int,
) -> c_int {
    value(output, color, key, number.into())
}

#[no_mangle]
extern "C" fn print_color_u64(
    output: c_uint,
    color: c_uint,
    key: *const c_char,
    _fmt: *const c_char,
    number: u64,
) -> c_int {
    value(output, color, key, number.into())
}

#[no_mangle]
extern "C" fn open_json_object(key: *const c_char) {
    if is_wanted(2) {
        open(key, json!({}));
    }
}

#[no_mangle]
extern "C" fn close_json_object() {
    if is_wanted(2) {
        close(Value::is_object);
    }
}

#[no_mangle]
extern "C" fn open_json_array(output: c_uint, key: *const c_char) {
    assert_eq!(output, 2, "in text it would print the key");
    if is_wanted(output) {
        open(key, json!([]));
    }
}

#[no_mangle]
extern "C" fn close_json_array(output: c_uint, _end: *const c_char) {
    assert_eq!(output, 2, "in text it would print the end");
    if is_wanted(output) {
        close(Value::is_array);
    }
}

/// An `int` to `tc`.
#[no_mangle]
#[allow(non_upper_case_globals)] // It is what plug-ins look up.
static show_details: AtomicI32 = AtomicI32::new(0);

/// Sets how often the user said `-d`.
pub(crate) fn set_details(details: bool) {
    show_details.store(details.into(), Relaxed);
}

#[no_mangle]
extern "C" fn print_color_bool(
    output: c_uint,
    color: c_uint,
    key: *const c_char,
    _fmt: *const c_char,
    truth: bool,
) -> c_int {
    value(output, color, key, truth.into())
}

#[no_mangle]
unsafe extern "C" fn print_color_string(
    output: c_uint,
    color: c_uint,
    key: *const c_char,
    fmt: *const c_char,
    string: *const c_char,
) -> c_int {
    assert_eq!((color, key), (COLOR_NONE, null()));
    // SAFETY: plug-ins give C strings.
    let (fmt, string) = unsafe { (CStr::from_ptr(fmt), CStr::from_ptr(string)) };
    assert_eq!(fmt, c"%s");
    if is_wanted(output) {
        text(&string.to_string_lossy());
    }
    0
}

#[no_mangle]
extern "C" fn print_nl() {
    if is_wanted(1) {
        text("\n");
    }
}

/// Three digits in the largest unit that fits: `%.3g`, which Rust has not.
#[no_mangle]
unsafe extern "C" fn sprint_time(time: u32, buf: *mut c_char) -> *mut c_char {
    const SIZE: usize = 64;
    let us = f64::from(time);
    let (format, number) = if us >= 1e6 {
        (c"%.3gs", us / 1e6)
    } else if us >= 1e3 {
        (c"%.3gms", us / 1e3)
    } else {
        (c"%.0fus", us)
    };
    // SAFETY: plug-ins give a buffer of SIZE bytes; the formats take one double.
    unsafe { libc::snprintf(buf, SIZE, format.as_ptr(), number) };
    buf
}

#[no_mangle]
extern "C" fn incomplete_command() -> ! {
    std::process::exit(255)
}
