// SPDX-License-Identifier: GPL-2.0

//! Reads numbers, times and sizes with `tc`'s own functions, and refuses values that `tc`
//! would change without an error.
//!
//! C headers (iproute2): `include/utils.h`. A function returns 0 when it has read a value.

use std::ffi::{c_int, CStr, CString};

use crate::abi;

/// Reads a whole number of 32 bits.
pub fn number(word: &str) -> Option<u32> {
    read(word, |number, word| {
        // SAFETY: `word` is a C string; a number is written to `number`, which is one.
        unsafe { abi::get_unsigned(number, word.as_ptr(), 0) }
    })
}

/// Reads two whole numbers of 8 bits with a slash between them.
pub fn masked(word: &str) -> Option<(u8, u8)> {
    let byte = |word: &str| {
        read(word, |byte, word| {
            // SAFETY: `word` is a C string; a byte is written to `byte`, which is one.
            unsafe { abi::get_u8(byte, word.as_ptr(), 0) }
        })
    };
    let (value, mask) = word.split_once('/')?;
    Some((byte(value)?, byte(mask)?))
}

/// Reads a number of bytes of 32 bits.
pub fn size(word: &str) -> Option<u32> {
    read(word, |size, word| {
        // SAFETY: `word` is a C string; a number is written to `size`, which is one.
        unsafe { abi::get_size(size, word.as_ptr()) }
    })
}

/// Reads a time of 32 bits, in microseconds.
pub fn time(word: &str) -> Option<u32> {
    let us: u32 = read(word, |us, word| {
        // SAFETY: `word` is a C string; a number is written to `us`, which is one.
        unsafe { abi::get_time(us, word.as_ptr()) }
    })?;
    let ns = |word: &str| {
        read(word, |ns, word| {
            // SAFETY: `word` is a C string; a number is written to `ns`, which is one.
            unsafe { abi::get_time64(ns, word.as_ptr()) }
        })
    };
    // Without a unit, `get_time()` reads microseconds and `get_time64()` reads nanoseconds. A
    // word that has a unit cannot get another one.
    let ns: i64 = ns(&format!("{word}us")).or_else(|| ns(word))?;
    // `get_time()` converts a `double` to 32 bits, however large, infinite or not a number it
    // is. `get_time64()` converts it to 64 bits. The results are a microsecond apart at most,
    // due to rounding, unless the number does not fit.
    let fits = (ns / 1000).abs_diff(us.into()) <= 1;
    fits.then_some(us)
}

/// Reads a word with one of `tc`'s functions.
///
/// The word has to begin with a digit, after white space and a plus sign. A minus sign is
/// refused: to `tc`, -18446744073709551615 is 1, and -0.5us is 0. So are `inf` and `nan`, whose
/// conversion to an integer is undefined in C.
fn read<T: Default>(word: &str, parse: impl FnOnce(&mut T, &CStr) -> c_int) -> Option<T> {
    // C's `isspace()`: its functions skip what is white space at the start.
    let digits = word.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let word = CString::new(word).ok()?;
    let mut value = T::default();
    (parse(&mut value, &word) == 0).then_some(value)
}

#[cfg(test)]
mod tests {
    use tackle_tc_fake as _; // stands in for tc

    use super::*;

    #[test]
    fn numbers_are_those_of_c() {
        for (word, expected) in [
            ("0", 0),
            ("1000", 1000),
            ("0x1f", 31),
            ("0X1F", 31),
            ("017", 15),
            ("+5", 5),
            (" 5", 5),
            ("+0x5", 5),
            ("4294967295", u32::MAX),
        ] {
            assert_eq!(number(word), Some(expected), "{word}");
        }
        for word in [
            "",
            "x",
            "-1",
            "-0",
            "08",
            "0x",
            "0x+1",
            "1p",
            "1.5",
            "5 ",
            "4294967296",
        ] {
            assert_eq!(number(word), None, "{word}");
        }
    }

    #[test]
    fn no_number_wraps_around() {
        for word in [
            "-18446744073709551615",
            "  -18446744073709551615",
            "\t\x0b-18446744073709551615",
            "18446744073709551617",
            "99999999999999999999",
        ] {
            assert_eq!(number(word), None, "{word:?}");
        }
    }

    #[test]
    fn times_have_units() {
        for (word, expected) in [
            ("5ms", 5000),
            ("5000", 5000),
            ("5000us", 5000),
            ("0.005s", 5000),
            ("5e3usecs", 5000),
            (".5MSEC", 500),
            ("1.9us", 1),
            ("0", 0),
            ("2secs", 2_000_000),
            ("+5ms", 5000),
            (" 5ms", 5000),
            ("0x10us", 16),
            ("0x1p4", 16),
            ("0.000007s", 7),
            ("4294967295us", u32::MAX),
            ("4294967295.9us", u32::MAX),
            ("4294.967295s", u32::MAX),
        ] {
            assert_eq!(time(word), Some(expected), "{word}");
        }
        for word in [
            "", "ms", "5m", "5 ms", "5min", "5ns", "5ms5", "-1us", "-0", "-.5us", " -1",
        ] {
            assert_eq!(time(word), None, "{word}");
        }
    }

    #[test]
    fn no_time_wraps_around() {
        for word in [
            "4294967296us",
            "4294967297us",
            "4294967296000us",
            "4295s",
            "5000s",
            "8589934592us",
            "1e13s",
            "1e99",
            "18446744073709551616",
            "inf",
            "infinity",
            "nan",
            "nan(1)",
            "+inf",
            "infs",
        ] {
            assert_eq!(time(word), None, "{word}");
        }
    }

    #[test]
    fn sizes_have_units() {
        for (word, expected) in [
            ("32Mb", 32 << 20),
            ("100000", 100_000),
            ("1.5kB", 1536),
            ("2g", 1 << 31),
            ("8kbit", 1024),
            ("7b", 7),
            ("+7b", 7),
            ("0x10kb", 16 << 10),
            ("1.9", 1),
            ("4294967295", u32::MAX),
        ] {
            assert_eq!(size(word), Some(expected), "{word}");
        }
        for word in ["", "b", "-1", "-0", "1tb", "1 kb"] {
            assert_eq!(size(word), None, "{word}");
        }
    }

    #[test]
    fn no_size_wraps_around() {
        for word in ["4294967296", "5gb", "1e19gb", "inf", "nan", "-inf"] {
            assert_eq!(size(word), None, "{word}");
        }
    }

    #[test]
    fn masked_values_are_pairs() {
        assert_eq!(masked("0x1/3"), Some((1, 3)));
        assert_eq!(masked("255/0xff"), Some((255, 255)));
        assert_eq!(masked("+1/+03"), Some((1, 3)));
        for word in [
            "1",
            "1/",
            "/3",
            "256/1",
            "1/256",
            "1/2/3",
            "-1/3",
            "1/-3",
            "1/-18446744073709551615",
        ] {
            assert_eq!(masked(word), None, "{word}");
        }
    }
}
