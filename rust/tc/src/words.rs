// SPDX-License-Identifier: GPL-2.0

//! Implements the reading of the command line after a kind's name.

use std::borrow::Cow;
use std::ffi::CStr;

use crate::{parse, Error};

const NUMBERS: &str = "a number from 0 to 4294967295";
const SIZES: &str = "a size from 0 to 4294967295 bytes, in b, kb, mb or gb (of 1024)";
const MASKED: &str = "VALUE/MASK, both numbers from 0 to 255";

/// The words of a command line, read one after the other.
///
/// `tc`'s own functions read the values, so that a plug-in takes the values that `tc` takes. Two
/// kinds of values are errors here, because `tc` changes them without an error: a value with a
/// minus sign, and a time that does not fit into 32 bits.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    words: Vec<Cow<'a, str>>,
    /// How many of them have been read.
    read: usize,
    /// The index of the last word that [`next`](Self::next) returned.
    option: usize,
}

impl<'a> Words<'a> {
    pub(crate) fn of_c(words: impl IntoIterator<Item = &'a CStr>) -> Self {
        // Options and values are ASCII. Other words are only shown in an error.
        Self::from(words.into_iter().map(CStr::to_string_lossy).collect())
    }

    fn from(words: Vec<Cow<'a, str>>) -> Self {
        Self {
            words,
            read: 0,
            option: 0,
        }
    }

    /// Reads the next word as an option; [`None`] at the end of the line.
    #[allow(clippy::should_implement_trait)] // The word is borrowed from `self`.
    pub fn next(&mut self) -> Option<&str> {
        self.option = self.read;
        let word = self.words.get(self.read)?;
        self.read += 1;
        Some(word)
    }

    /// Reads the next word as a whole number: decimal, hexadecimal after `0x`, or octal after
    /// `0`.
    ///
    /// # Errors
    ///
    /// - [`Error::Incomplete`]: the line ends here.
    /// - [`Error::Illegal`]: the word is not a number, or is more than `u32::MAX`.
    pub fn number(&mut self) -> Result<u32, Error> {
        self.value(parse::number, NUMBERS)
    }

    /// Reads the next word as a time, and returns it in microseconds. The unit after the number
    /// is `s`, `ms` or `us` (also `sec`, `secs` and so on); without a unit the time is in
    /// microseconds. Fractions of a microsecond are cut off.
    ///
    /// # Errors
    ///
    /// - [`Error::Incomplete`]: the line ends here.
    /// - [`Error::Illegal`]: the word is not a time, or is more than `max` microseconds.
    pub fn time(&mut self, max: u32) -> Result<u32, Error> {
        let seconds = max / 1_000_000;
        self.value(
            |word| parse::time(word).filter(|us| *us <= max),
            &format!("a time from 0us to {max}us ({seconds}s), in s, ms or us"),
        )
    }

    /// Reads the next word as a size, and returns it in bytes. The unit after the number is `b`,
    /// `kb`, `mb` or `gb` (powers of 1024; also `k` and so on, and `kbit` and so on); without a
    /// unit the size is in bytes. Fractions of a byte are cut off.
    ///
    /// # Errors
    ///
    /// - [`Error::Incomplete`]: the line ends here.
    /// - [`Error::Illegal`]: the word is not a size, or is more than `u32::MAX` bytes.
    pub fn size(&mut self) -> Result<u32, Error> {
        self.value(parse::size, SIZES)
    }

    /// Reads the next word as `VALUE/MASK`, each a [number](Self::number) up to 255.
    ///
    /// # Errors
    ///
    /// - [`Error::Incomplete`]: the line ends here.
    /// - [`Error::Illegal`]: the word is not such a pair.
    pub fn masked(&mut self) -> Result<(u8, u8), Error> {
        self.value(parse::masked, MASKED)
    }

    /// Reads the next word as the value of the last option. An error names the option and the
    /// `allowed` values.
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

/// Makes a command line of its words, for tests of a plug-in.
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
