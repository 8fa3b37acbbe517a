// SPDX-License-Identifier: GPL-2.0

//! The functions of `tc` that read numbers, times and sizes, with the results that they have
//! on x86-64 for numbers that do not fit.

use std::ffi::{c_char, c_int, c_uint, CStr};
use std::ptr::null_mut;

const DONE: c_int = 0;
const FAILED: c_int = -1;

/// Reads a whole number up to `max`, as `get_unsigned()` and `get_u8()` do.
///
/// # Safety
///
/// `arg` is a C string.
unsafe fn whole(arg: *const c_char, base: c_int, max: u64) -> Option<u64> {
    let mut end = null_mut();
    // SAFETY: the caller's promise.
    let number = unsafe { libc::strtoul(arg, &mut end, base) };
    // SAFETY: `strtoul()` has pointed it into the C string.
    let is_all = end.cast_const() != arg && unsafe { *end } == 0;
    // What is too large is `u64::MAX`, and a minus sign makes a number wrap around.
    (is_all && number <= max).then_some(number)
}

/// Reads a number and the unit behind it.
///
/// # Safety
///
/// `arg` is a C string.
unsafe fn with_unit(arg: *const c_char, units: &[(&[&str], f64)]) -> Option<f64> {
    let mut end = null_mut();
    // SAFETY: the caller's promise.
    let number = unsafe { libc::strtod(arg, &mut end) };
    if end.cast_const() == arg {
        return None;
    }
    // SAFETY: `strtod()` has pointed it into the C string.
    let unit = unsafe { CStr::from_ptr(end) }.to_str().ok()?;
    if unit.is_empty() {
        return Some(number);
    }
    let is_one = |names: &&[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(unit));
    let (_, scale) = units.iter().find(|(names, _)| is_one(names))?;
    Some(number * scale)
}

/// C's conversion of a `double` to a `long`. What does not fit becomes the least number, as
/// the processor's instruction has it; to C it is undefined.
fn long(number: f64) -> i64 {
    const LEAST: f64 = i64::MIN as f64;
    if (LEAST..-LEAST).contains(&number) {
        number as i64
    } else {
        i64::MIN
    }
}

/// Writes a value, if there is one.
///
/// # Safety
///
/// `value` may be written to.
unsafe fn give<T>(value: *mut T, read: Option<T>) -> c_int {
    let Some(read) = read else { return FAILED };
    // SAFETY: the caller's promise.
    unsafe { value.write(read) };
    DONE
}

#[no_mangle]
unsafe extern "C" fn get_unsigned(value: *mut c_uint, arg: *const c_char, base: c_int) -> c_int {
    // SAFETY: plug-ins give a C string and a number to write to.
    unsafe {
        let number = whole(arg, base, u32::MAX.into());
        give(value, number.map(|number| number as c_uint))
    }
}

#[no_mangle]
unsafe extern "C" fn get_u8(value: *mut u8, arg: *const c_char, base: c_int) -> c_int {
    // SAFETY: plug-ins give a C string and a byte to write to.
    unsafe {
        let number = whole(arg, base, u8::MAX.into());
        give(value, number.map(|number| number as u8))
    }
}

/// The units of time, and how long each is if a second is `second` long.
fn time_units(second: f64) -> [(&'static [&'static str], f64); 3] {
    [
        (&["s", "sec", "secs"], second),
        (&["ms", "msec", "msecs"], second / 1e3),
        (&["us", "usec", "usecs"], second / 1e6),
    ]
}

#[no_mangle]
unsafe extern "C" fn get_time(us: *mut c_uint, arg: *const c_char) -> c_int {
    // SAFETY: plug-ins give a C string and a number to write to.
    unsafe {
        let time = with_unit(arg, &time_units(1e6));
        // It wraps around.
        give(us, time.map(|us| long(us) as c_uint))
    }
}

#[no_mangle]
unsafe extern "C" fn get_time64(ns: *mut i64, arg: *const c_char) -> c_int {
    let [s, ms, us] = time_units(1e9);
    let units = [s, ms, us, (&["ns", "nsec", "nsecs"][..], 1.0)];
    // SAFETY: plug-ins give a C string and a number to write to.
    unsafe { give(ns, with_unit(arg, &units).map(long)) }
}

const SIZE_UNITS: &[(&[&str], f64)] = &[
    (&["b"], 1.0),
    (&["k", "kb"], 1024.0),
    (&["m", "mb"], 1048576.0),
    (&["g", "gb"], 1073741824.0),
    (&["kbit"], 128.0),
    (&["mbit"], 131072.0),
    (&["gbit"], 134217728.0),
];

#[no_mangle]
unsafe extern "C" fn get_size(size: *mut c_uint, arg: *const c_char) -> c_int {
    // SAFETY: plug-ins give a C string and a number to write to.
    unsafe {
        let bytes = with_unit(arg, SIZE_UNITS);
        let fits = |bytes: &f64| *bytes >= 0.0 && f64::from(long(*bytes) as u32) == bytes.floor();
        give(size, bytes.filter(fits).map(|bytes| long(bytes) as c_uint))
    }
}
