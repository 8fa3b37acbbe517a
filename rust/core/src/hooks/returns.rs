// SPDX-License-Identifier: GPL-2.0

//! Converts the contents of the return register by the type of the function's return value.

use core::fmt;

/// The largest errno. A pointer from `-MAX_ERRNO` to -1 is an error (`IS_ERR()`,
/// `include/linux/err.h`).
pub const MAX_ERRNO: i64 = 4095;

/// The type of a return value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// A signed number of this many bytes.
    Signed(u8),
    /// An unsigned number of this many bytes.
    Unsigned(u8),
    /// `bool`.
    Bool,
    /// A pointer, or an errno instead of one (`ERR_PTR()`).
    Pointer,
}

/// The types and their names in a line.
const WORDS: [(&str, Returns); 10] = [
    ("s8", Returns::Signed(1)),
    ("s16", Returns::Signed(2)),
    ("s32", Returns::Signed(4)),
    ("s64", Returns::Signed(8)),
    ("u8", Returns::Unsigned(1)),
    ("u16", Returns::Unsigned(2)),
    ("u32", Returns::Unsigned(4)),
    ("u64", Returns::Unsigned(8)),
    ("bool", Returns::Bool),
    ("ptr", Returns::Pointer),
];

/// The value that represents all valid pointers.
const SOMEWHERE: i64 = 1;

impl Returns {
    /// Returns the names of all types.
    pub fn words() -> [&'static str; WORDS.len()] {
        WORDS.map(|(word, _)| word)
    }

    /// Returns the type of this name.
    pub fn parse(word: &str) -> Option<Self> {
        let found = WORDS.iter().find(|(name, _)| *name == word)?;
        Some(found.1)
    }

    /// Returns the value in a register, whose upper bits may be anything. Registers that are equal
    /// for the function's callers give equal values. For pointers, only null, each errno and valid
    /// pointers are distinguished.
    #[inline]
    pub fn value(self, register: u64) -> i64 {
        // CAST: Each cast keeps the lower bits, and extends them by the type's sign.
        match self {
            Self::Signed(1) => i64::from(register as i8),
            Self::Signed(2) => i64::from(register as i16),
            Self::Signed(4) => i64::from(register as i32),
            Self::Unsigned(1) => i64::from(register as u8),
            Self::Unsigned(2) => i64::from(register as u16),
            Self::Unsigned(4) => i64::from(register as u32),
            Self::Bool => i64::from(register as u8 != 0),
            Self::Pointer => match register as i64 {
                value if (-MAX_ERRNO..=0).contains(&value) => value,
                _ => SOMEWHERE,
            },
            Self::Signed(_) | Self::Unsigned(_) => register as i64,
        }
    }

    /// Displays a [`value`](Self::value): a number, `true` or `false`. A pointer is `NULL`,
    /// `pointer`, or the errno as a negative number.
    pub fn show(self, value: i64) -> Shown {
        Shown(self, value)
    }
}

impl fmt::Display for Returns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = WORDS.iter().find(|(_, returns)| returns == self);
        f.write_str(word.map_or("?", |(name, _)| name))
    }
}

/// Displays the return value of a function.
pub struct Shown(Returns, i64);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            // CAST: The value keeps its bits.
            Self(Returns::Unsigned(_), value) => write!(f, "{}", value as u64),
            Self(Returns::Bool, value) => write!(f, "{}", value != 0),
            Self(Returns::Pointer, 0) => f.write_str("NULL"),
            Self(Returns::Pointer, SOMEWHERE) => f.write_str("pointer"),
            Self(Returns::Signed(_) | Returns::Pointer, value) => write!(f, "{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    /// Returns the text of a register's value for a type.
    fn shown(word: &str, register: u64) -> std::string::String {
        let returns = Returns::parse(word).unwrap();
        assert_eq!(returns.to_string(), word);
        returns.show(returns.value(register)).to_string()
    }

    #[test]
    fn the_upper_bits_may_be_anything() {
        let minus_two = 0xdead_beef_ffff_fffe;
        assert_eq!(shown("s32", minus_two), "-2");
        assert_eq!(shown("u32", minus_two), "4294967294");
        assert_eq!(shown("s16", minus_two), "-2");
        assert_eq!(shown("u16", minus_two), "65534");
        assert_eq!(shown("s8", minus_two), "-2");
        assert_eq!(shown("u8", minus_two), "254");
        assert_eq!(shown("s64", u64::MAX - 1), "-2");
        assert_eq!(shown("u64", u64::MAX - 1), "18446744073709551614");
        assert_eq!(shown("bool", 0xff00), "false");
        assert_eq!(shown("bool", 0xff01), "true");
    }

    #[test]
    fn pointers_are_null_errors_or_others() {
        assert_eq!(shown("ptr", 0), "NULL");
        assert_eq!(shown("ptr", -12i64 as u64), "-12");
        assert_eq!(shown("ptr", -4095i64 as u64), "-4095");
        assert_eq!(shown("ptr", -4096i64 as u64), "pointer");
        assert_eq!(shown("ptr", 0xffff_8880_0000_1000), "pointer");
        let values = [1, 0xffff_8880_0000_1000].map(|r| Returns::Pointer.value(r));
        assert_eq!(values[0], values[1]);
    }

    #[test]
    fn other_words_are_none() {
        for word in ["", "int", "s128", "S32", "void"] {
            assert_eq!(Returns::parse(word), None, "{word}");
        }
    }
}
