// SPDX-License-Identifier: GPL-2.0

//! The command line behind a kind's name.

use std::borrow::Cow;
use std::ffi::CStr;

use crate::Error;

const NUMBERS: &str = "a number from 0 to 4294967295";
const SIZES: &str = "a size from 0 to 4294967295 bytes, in b, kb, mb or gb (of 1024)";
const MASKED: &str = "VALUE/MASK, both numbers from 0 to 255";
const TIMES: &str = "a time from 0us to 4294967295us (4294s), in s, ms or us";

/// Bytes in one of a unit; a bare number is in bytes.
const SIZE_UNITS: &[(&str, f64)] = &[
    ("", 1.0),
    ("b", 1.0),
    ("k", 1024.0),
    ("kb", 1024.0),
    ("m", 1048576.0),
    ("mb", 1048576.0),
    ("g", 1073741824.0),
    ("gb", 1073741824.0),
    ("kbit", 128.0),
    ("mbit", 131072.0),
    ("gbit", 134217728.0),
];

/// Microseconds in one of a unit; a bare number is in microseconds.
const TIME_UNITS: &[(&str, f64)] = &[
    ("", 1.0),
    ("us", 1.0),
    ("usec", 1.0),
    ("usecs", 1.0),
    ("ms", 1e3),
    ("msec", 1e3),
    ("msecs", 1e3),
    ("s", 1e6),
    ("sec", 1e6),
    ("secs", 1e6),
];

/// The words of a command line, read one after the other.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    words: Vec<Cow<'a, str>>,
    /// How many of them have been read.
    read: usize,
    /// The index of the option that was read last.
    option: usize,
}

impl<'a> Words<'a> {
    pub(crate) fn of_c(words: impl IntoIterator<Item = &'a CStr>) -> Self {
        // What is not UTF-8 is no option and no value; it is only shown.
        Self::from(words.into_iter().map(CStr::to_string_lossy).collect())
    }

    fn from(words: Vec<Cow<'a, str>>) -> Self {
        Self {
            words,
            read: 0,
            option: 0,
        }
    }

    /// The next option.
    #[allow(clippy::should_implement_trait)] // The word is lent: its value is read meanwhile.
    pub fn next(&mut self) -> Option<&str> {
        self.option = self.read;
        let word = self.words.get(self.read)?;
        self.read += 1;
        Some(word)
    }

    /// The value of the option that was read last: a number as C writes it, decimal, with
    /// `0x` hexadecimal or with `0` octal.
    ///
    /// # Errors
    ///
    /// There is no further word, or it is no such number up to `u32::MAX`.
    pub fn number(&mut self) -> Result<u32, Error> {
        self.value(number, NUMBERS)
    }

    /// The value of the option that was read last: a time in microseconds, or with the unit
    /// `s`, `ms` or `us` (also `sec`, `secs` and so on) behind it, less fractions of a
    /// microsecond.
    ///
    /// `tc` itself wraps around at the ends of the range; here they are errors.
    ///
    /// # Errors
    ///
    /// There is no further word, or it is no time from 0 to `u32::MAX` microseconds.
    pub fn time(&mut self) -> Result<u32, Error> {
        self.value(time, TIMES)
    }

    /// The value of the option that was read last: a number of bytes, or with the unit `b`,
    /// `kb`, `mb` or `gb` (of 1024; also `k` and so on, and `kbit` and so on) behind it, less
    /// fractions of a byte.
    ///
    /// # Errors
    ///
    /// There is no further word, or it is no size up to `u32::MAX` bytes.
    pub fn size(&mut self) -> Result<u32, Error> {
        self.value(size, SIZES)
    }

    /// The value of the option that was read last: `VALUE/MASK`, each a [number](Self::number)
    /// up to 255.
    ///
    /// # Errors
    ///
    /// There is no further word, or it is no such pair.
    pub fn masked(&mut self) -> Result<(u8, u8), Error> {
        self.value(masked, MASKED)
    }

    fn value<T>(
        &mut self,
        parse: fn(&str) -> Option<T>,
        allowed: &'static str,
    ) -> Result<T, Error> {
        let word = self.words.get(self.read).ok_or(Error::Incomplete)?;
        self.read += 1;
        parse(word).ok_or_else(|| Error::Illegal {
            option: self.words[self.option].to_string(),
            allowed,
        })
    }
}

/// For tests of a plug-in.
impl<'a> FromIterator<&'a str> for Words<'a> {
    fn from_iter<I: IntoIterator<Item = &'a str>>(words: I) -> Self {
        Self::from(words.into_iter().map(Cow::Borrowed).collect())
    }
}

fn number(word: &str) -> Option<u32> {
    let (digits, radix) = match word.strip_prefix("0x").or(word.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if word.len() > 1 && word.starts_with('0') => (word, 8),
        None => (word, 10),
    };
    // A sign would be allowed, but only before the prefix.
    if !digits.starts_with(|first: char| first.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

fn masked(word: &str) -> Option<(u8, u8)> {
    let (value, mask) = word.split_once('/')?;
    Some((
        number(value)?.try_into().ok()?,
        number(mask)?.try_into().ok()?,
    ))
}

fn size(word: &str) -> Option<u32> {
    with_unit(word, SIZE_UNITS)
}

fn time(word: &str) -> Option<u32> {
    with_unit(word, TIME_UNITS)
}

fn with_unit(word: &str, units: &[(&str, f64)]) -> Option<u32> {
    let number = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &word[number.len()..];
    let (_, scale) = units
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    let value = number.parse::<f64>().ok()? * scale;
    // Not so for NaN, either.
    (0.0..f64::from(u32::MAX) + 1.0)
        .contains(&value)
        .then_some(value as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_c() {
        for (word, expected) in [
            ("0", 0),
            ("1000", 1000),
            ("0x1f", 31),
            ("0X1F", 31),
            ("017", 15),
            ("4294967295", u32::MAX),
        ] {
            assert_eq!(number(word), Some(expected), "{word}");
        }
        for word in ["", "x", "-1", "08", "0x", "0x+1", "1p", "1.5", "4294967296"] {
            assert_eq!(number(word), None, "{word}");
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
            ("4294967295us", u32::MAX),
            ("4294.967295s", u32::MAX),
        ] {
            assert_eq!(time(word), Some(expected), "{word}");
        }
        for word in [
            "", "ms", "5m", "5 ms", "5min", "-1us", "inf", "nan", "1e99", "4295s", "5ms5",
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
        ] {
            assert_eq!(size(word), Some(expected), "{word}");
        }
        for word in ["", "b", "5gb", "-1", "1tb", "1 kb", "4294967296"] {
            assert_eq!(size(word), None, "{word}");
        }
    }

    #[test]
    fn masked_values_are_pairs() {
        assert_eq!(masked("0x1/3"), Some((1, 3)));
        assert_eq!(masked("255/0xff"), Some((255, 255)));
        for word in ["1", "1/", "/3", "256/1", "1/256", "1/2/3", "-1/3"] {
            assert_eq!(masked(word), None, "{word}");
        }
    }

    #[test]
    fn values_belong_to_the_option_before_them() {
        let mut words = Words::from_iter(["limit", "3", "target", "1h", "interval"]);
        assert_eq!(words.next(), Some("limit"));
        assert_eq!(words.number(), Ok(3));
        assert_eq!(words.next(), Some("target"));
        let error = words.time().unwrap_err().to_string();
        assert!(error.starts_with("Illegal \"target\": "), "{error}");
        assert!(error.contains("4294967295us"), "{error}");
        assert_eq!(words.next(), Some("interval"));
        assert_eq!(words.time(), Err(Error::Incomplete));
        assert_eq!(words.next(), None);
        assert_eq!(words.next(), None);
    }

    #[test]
    fn words_that_are_not_text_are_shown() {
        let mut words = Words::of_c([c"limit", c"\xff"]);
        assert_eq!(words.next(), Some("limit"));
        assert!(matches!(words.number(), Err(Error::Illegal { .. })));
    }
}
