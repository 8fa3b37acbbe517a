// SPDX-License-Identifier: GPL-2.0

//! Prints text or JSON, whichever the user asked `tc` for.

use std::ffi::{c_char, CStr, CString};
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::ptr::null;
use std::sync::atomic::Ordering::Relaxed;

use crate::abi;

/// Prints where `tc` prints.
///
/// Each value has a key for JSON, and a text that is printed otherwise.
///
/// # Invariants
///
/// It exists while `tc` waits for one of the plug-in's print functions to return, and stays
/// on `tc`'s thread: `tc`'s state is in global variables without a lock.
pub struct Printer(PhantomData<*mut ()>);

impl Printer {
    /// # Safety
    ///
    /// The caller was called by `tc` to print, and drops the value before it returns.
    pub(crate) unsafe fn new() -> Self {
        // INVARIANT: the caller's promise; `PhantomData<*mut ()>` is not `Send`.
        Self(PhantomData)
    }

    /// Prints an unsigned number.
    pub fn uint(&mut self, key: &CStr, value: u32, text: impl Display) {
        self.u64(key, value.into(), text);
    }

    /// Likewise, of up to 64 bits.
    pub fn u64(&mut self, key: &CStr, value: u64, text: impl Display) {
        // SAFETY: by the type's invariants `tc` waits for us. `key` is a C string. In JSON
        // no format is looked at, and text is not asked for.
        unsafe {
            abi::print_color_u64(
                abi::PRINT_JSON,
                abi::COLOR_NONE,
                key.as_ptr(),
                null(),
                value,
            )
        };
        self.text(text);
    }

    /// Prints a signed number.
    pub fn int(&mut self, key: &CStr, value: i32, text: impl Display) {
        // SAFETY: as in `u64`.
        unsafe {
            abi::print_color_int(
                abi::PRINT_JSON,
                abi::COLOR_NONE,
                key.as_ptr(),
                null(),
                value,
            )
        };
        self.text(text);
    }

    /// Prints an object with the members that `members` prints; an element of an array has
    /// no key.
    pub fn object(&mut self, key: Option<&CStr>, members: impl FnOnce(&mut Self)) {
        // SAFETY: by the type's invariants `tc` waits for us. `key` is null or a C string.
        unsafe { abi::open_json_object(key.map_or(null(), CStr::as_ptr)) };
        members(self);
        // SAFETY: as above; it was opened.
        unsafe { abi::close_json_object() };
    }

    /// Prints an array with the elements that `elements` prints.
    pub fn array(&mut self, key: &CStr, elements: impl FnOnce(&mut Self)) {
        // SAFETY: by the type's invariants `tc` waits for us. `key` is a C string.
        unsafe { abi::open_json_array(abi::PRINT_JSON, key.as_ptr()) };
        elements(self);
        // SAFETY: as above; it was opened. In JSON the end is not looked at.
        unsafe { abi::close_json_array(abi::PRINT_JSON, null()) };
    }

    /// Whether the user has asked for details (`-d`).
    pub fn wants_details(&self) -> bool {
        // SAFETY: by the type's invariants `tc` waits for us: it does not write to it. It is
        // there as long as the program.
        unsafe { abi::SHOW_DETAILS.load(Relaxed) != 0 }
    }

    /// Prints a text that is left out of JSON.
    pub fn note(&mut self, text: impl Display) {
        self.text(text);
    }

    /// Prints a truth value.
    pub fn bool(&mut self, key: &CStr, value: bool, text: impl Display) {
        // SAFETY: as in `u64`.
        unsafe {
            abi::print_color_bool(
                abi::PRINT_JSON,
                abi::COLOR_NONE,
                key.as_ptr(),
                null(),
                value,
            )
        };
        self.text(text);
    }

    /// Ends a line of text; what ends it is a choice of the user's.
    pub fn newline(&mut self) {
        // SAFETY: by the type's invariants `tc` waits for us.
        unsafe { abi::print_nl() };
    }

    fn text(&mut self, text: impl Display) {
        // A C string ends at the first NUL; no text of ours has one.
        let text = CString::new(text.to_string()).unwrap_or_default();
        // SAFETY: by the type's invariants `tc` waits for us. The format takes one string,
        // which is what comes with it.
        unsafe {
            abi::print_color_string(
                abi::PRINT_FP,
                abi::COLOR_NONE,
                null(),
                c"%s".as_ptr(),
                text.as_ptr(),
            )
        };
    }
}

/// A time in microseconds, shown as `tc` shows times: in the largest unit in which it is 1 or
/// more, with three digits, such as `1.02ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub u32);

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        sprint(self.0, abi::sprint_time, f)
    }
}

/// A time in microseconds that may be in the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedTime(pub i32);

impl Display for SignedTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}", Time(self.0.unsigned_abs()))
    }
}

/// A number of bytes, shown as `tc` shows sizes: in `Mb` or `Kb` (of 1024) if it is about a
/// whole number of those, else in `b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u32);

impl Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        sprint(self.0, abi::sprint_size, f)
    }
}

/// Has one of `tc`'s functions show a value.
fn sprint(
    value: u32,
    show: unsafe extern "C" fn(u32, *mut c_char) -> *mut c_char,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let mut buf: [c_char; abi::SPRINT_BSIZE] = [0; abi::SPRINT_BSIZE];
    // SAFETY: the functions that are given here write a C string of SPRINT_BSIZE bytes at
    // most, the size of the buffer, and touch nothing else.
    unsafe { show(value, buf.as_mut_ptr()) };
    // SAFETY: the buffer holds a C string, and is not written to any more.
    let text = unsafe { CStr::from_ptr(buf.as_ptr()) };
    f.pad(&text.to_string_lossy())
}

/// A number in hexadecimal as C's `%#x` shows it: 0 has no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex(pub u32);

impl Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0"),
            number => write!(f, "{number:#x}"),
        }
    }
}
