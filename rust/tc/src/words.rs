// SPDX-License-Identifier: GPL-2.0

//! The command line behind a kind's name.

use std::borrow::Cow;
use std::ffi::CStr;

use crate::Error;

const NUMBERS: &str = "a number from 0 to 4294967295";
const TIMES: &str = "a time from 0us to 4294967295us (4294s), in s, ms or us";

/// Microseconds in one of a unit; a bare number is in microseconds.
const UNITS: &[(&str, f64)] = &[
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

    fn value(
        &mut self,
        parse: fn(&str) -> Option<u32>,
        allowed: &'static str,
    ) -> Result<u32, Error> {
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

fn time(word: &str) -> Option<u32> {
    let number = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &word[number.len()..];
    let (_, scale) = UNITS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    let us = number.parse::<f64>().ok()? * scale;
    // Not so for NaN, either.
    (0.0..f64::from(u32::MAX) + 1.0)
        .contains(&us)
        .then_some(us as u32)
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
