// SPDX-License-Identifier: GPL-2.0

//! Prints text or JSON, whichever the user asked `tc` for.

use std::ffi::{c_char, CStr, CString};
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::ptr::null;
use std::sync::atomic::Ordering::Relaxed;

use crate::{abi, parse};

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

    /// Ends a line of text: with a newline, or a backslash where `tc` runs with `-oneline`.
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
        let mut buf: [c_char; abi::SPRINT_BSIZE] = [0; abi::SPRINT_BSIZE];
        // SAFETY: it writes a C string of SPRINT_BSIZE bytes at most, the size of the buffer,
        // and touches nothing else.
        unsafe { abi::sprint_time(self.0, buf.as_mut_ptr()) };
        // SAFETY: the buffer holds a C string, and is not written to any more.
        let text = unsafe { CStr::from_ptr(buf.as_ptr()) };
        f.pad(&text.to_string_lossy())
    }
}

/// The time of an option, in microseconds. It is printed as [`Time`] if `tc` reads that back as
/// the same time, else in `us`. So an option that is shown can be set again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOption(pub u32);

impl Display for TimeOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Time(self.0).to_string();
        match parse::time(&text) {
            Some(us) if us == self.0 => f.pad(&text),
            _ => f.pad(&format!("{}us", self.0)),
        }
    }
}

/// The number of bytes of an option: as [`Size`] where `tc` reads that as the same number, else
/// in `b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeOption(pub u32);

impl Display for SizeOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Size(self.0).to_string();
        match parse::size(&text) {
            Some(bytes) if bytes == self.0 => f.pad(&text),
            _ => f.pad(&format!("{}b", self.0)),
        }
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

/// A number of bytes, shown as `tc` shows sizes: in `Gb` (since iproute2 6.18), `Mb` or `Kb`
/// (of 1024) if it is about a whole number of those, else in `b`.
///
/// It does not call `tc`'s `sprint_size()`, whose argument has 64 bits since iproute2 6.18 and
/// had 32 before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u32);

impl Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&size(self.0, abi::shows_gigabytes()))
    }
}

/// The text for a number of bytes, as `sprint_size()` of older and newer versions has it.
fn size(bytes: u32, gigabytes: bool) -> String {
    /// Each unit, and how far a size may be from a whole number of it.
    const UNITS: [(u64, u64, &str); 3] = [
        (1 << 30, 1024, "Gb"),
        (1 << 20, 1024, "Mb"),
        (1 << 10, 16, "Kb"),
    ];
    let bytes = u64::from(bytes);
    let about = |(unit, slack, name)| {
        let whole = (bytes + unit / 2) / unit;
        let is_about = bytes >= unit && bytes.abs_diff(whole * unit) < slack;
        is_about.then(|| format!("{}{name}", six_digits(whole)))
    };
    let units = UNITS.into_iter().skip(usize::from(!gigabytes));
    let text = units.filter_map(about).next();
    text.unwrap_or_else(|| format!("{bytes}b"))
}

/// A whole number below 10^7 as C's `%g` shows it.
fn six_digits(number: u64) -> String {
    if number < 1_000_000 {
        return number.to_string();
    }
    let rounded = format!("{:.5e}", number as f64);
    let digits = rounded.trim_end_matches("e6").trim_end_matches('0');
    format!("{}e+06", digits.trim_end_matches('.'))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_older_and_newer_versions() {
        // What `sprint_size()` of iproute2 6.15 and of 7.1 makes of them.
        for (bytes, older, newer) in [
            (0, "0b", "0b"),
            (1007, "1007b", "1007b"),
            (1023, "1023b", "1023b"),
            (1024, "1Kb", "1Kb"),
            (1039, "1Kb", "1Kb"),
            (1040, "1040b", "1040b"),
            (2033, "2Kb", "2Kb"),
            (2032, "2032b", "2032b"),
            (1_048_575, "1024Kb", "1024Kb"),
            (1_048_576, "1Mb", "1Mb"),
            (1_049_599, "1Mb", "1Mb"),
            (1_049_600, "1025Kb", "1025Kb"),
            (32 << 20, "32Mb", "32Mb"),
            (1_073_741_823, "1024Mb", "1024Mb"),
            (1 << 30, "1024Mb", "1Gb"),
            (1_073_742_847, "1024Mb", "1Gb"),
            (1_073_742_848, "1.04858e+06Kb", "1.04858e+06Kb"),
            (2_048_000_000, "2e+06Kb", "2e+06Kb"),
            (2_048_005_120, "2e+06Kb", "2e+06Kb"),
            (2_048_015_360, "2.00002e+06Kb", "2.00002e+06Kb"),
            (2_560_000_000, "2.5e+06Kb", "2.5e+06Kb"),
            (1_610_612_736, "1536Mb", "1536Mb"),
            (1 << 31, "2048Mb", "2Gb"),
            (u32::MAX, "4096Mb", "4Gb"),
        ] {
            assert_eq!(size(bytes, false), older, "{bytes}");
            assert_eq!(size(bytes, true), newer, "{bytes}");
        }
    }
}
