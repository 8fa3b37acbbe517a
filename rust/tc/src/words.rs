// SPDX-License-Identifier: GPL-2.0

//! The command line behind a kind's name.

use std::borrow::Cow;
use std::ffi::CStr;

use crate::{parse, Error};

const NUMBERS: &str = "a number from 0 to 4294967295";
const SIZES: &str = "a size from 0 to 4294967295 bytes, in b, kb, mb or gb (of 1024)";
const MASKED: &str = "VALUE/MASK, both numbers from 0 to 255";

/// The words of a command line, read one after the other.
///
/// Values are read by `tc`'s own functions, with two exceptions. A value with a minus sign is
/// an error. So is a time that does not fit into 32 bits: `tc` itself lets it wrap around.
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
        self.value(parse::number, NUMBERS)
    }

    /// The value of the option that was read last: a time of at most `max` microseconds. It is
    /// in microseconds, or has the unit `s`, `ms` or `us` (also `sec`, `secs` and so on) after
    /// the number. Fractions of a microsecond are cut off.
    ///
    /// # Errors
    ///
    /// There is no further word, or it is no time from 0 to `max` microseconds.
    pub fn time(&mut self, max: u32) -> Result<u32, Error> {
        let seconds = max / 1_000_000;
        self.value(
            |word| parse::time(word).filter(|us| *us <= max),
            &format!("a time from 0us to {max}us ({seconds}s), in s, ms or us"),
        )
    }

    /// The value of the option that was read last: a number of bytes, or with the unit `b`,
    /// `kb`, `mb` or `gb` (of 1024; also `k` and so on, and `kbit` and so on) behind it, less
    /// fractions of a byte.
    ///
    /// # Errors
    ///
    /// There is no further word, or it is no size up to `u32::MAX` bytes.
    pub fn size(&mut self) -> Result<u32, Error> {
        self.value(parse::size, SIZES)
    }

    /// The value of the option that was read last: `VALUE/MASK`, each a [number](Self::number)
    /// up to 255.
    ///
    /// # Errors
    ///
    /// There is no further word, or it is no such pair.
    pub fn masked(&mut self) -> Result<(u8, u8), Error> {
        self.value(parse::masked, MASKED)
    }

    fn value<T>(
        &mut self,
        parse: impl FnOnce(&str) -> Option<T>,
        allowed: &str,
    ) -> Result<T, Error> {
        let word = self.words.get(self.read).ok_or(Error::Incomplete)?;
        self.read += 1;
        parse(word).ok_or_else(|| Error::Illegal {
            option: self.words[self.option].to_string(),
            allowed: allowed.to_owned(),
        })
    }
}

/// For tests of a plug-in.
impl<'a> FromIterator<&'a str> for Words<'a> {
    fn from_iter<I: IntoIterator<Item = &'a str>>(words: I) -> Self {
        Self::from(words.into_iter().map(Cow::Borrowed).collect())
    }
}

#[cfg(test)]
mod tests {
    use tackle_tc_fake as _; // stands in for tc

    use super::*;

    #[test]
    fn values_belong_to_the_option_before_them() {
        let mut words = Words::from_iter(["limit", "3", "target", "1h", "interval"]);
        assert_eq!(words.next(), Some("limit"));
        assert_eq!(words.number(), Ok(3));
        assert_eq!(words.next(), Some("target"));
        let error = words.time(7_999_999).unwrap_err().to_string();
        let expected =
            "Illegal \"target\": allowed is a time from 0us to 7999999us (7s), in s, ms or us";
        assert_eq!(error, expected);
        assert_eq!(words.next(), Some("interval"));
        assert_eq!(words.time(7), Err(Error::Incomplete));
        assert_eq!(words.next(), None);
        assert_eq!(words.next(), None);
    }

    #[test]
    fn the_longest_time_is_a_choice_of_the_plug_in() {
        for (word, taken) in [
            ("7us", true),
            ("7.9us", true),
            ("8us", false),
            ("1s", false),
        ] {
            let mut words = Words::from_iter(["target", word]);
            words.next();
            assert_eq!(words.time(7).ok(), taken.then_some(7), "{word}");
        }
    }

    #[test]
    fn words_that_are_not_text_are_shown() {
        let mut words = Words::of_c([c"limit", c"\xff"]);
        assert_eq!(words.next(), Some("limit"));
        assert!(matches!(words.number(), Err(Error::Illegal { .. })));
    }
}
