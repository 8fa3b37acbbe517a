// SPDX-License-Identifier: GPL-2.0

//! What can be wrong with a command line.

use std::fmt::{self, Display};

/// Why a command line was refused, worded as `tc` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The user asked for the usage text.
    Help,
    /// The line ends where a value belongs.
    Incomplete,
    /// A word is no option; holds it.
    Unknown(String),
    /// The value of an option cannot be read, or is outside of its range.
    Illegal {
        /// The option.
        option: String,
        /// Which values are allowed.
        allowed: String,
    },
}

impl Error {
    /// Refuses a word that is no option.
    pub fn unknown(word: &str) -> Self {
        Self::Unknown(word.to_owned())
    }

    /// Whether the usage text is to follow.
    pub(crate) fn wants_usage(&self) -> bool {
        matches!(self, Self::Help | Self::Unknown(_))
    }
}

/// One line without its end; nothing for [`Error::Help`].
impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Help => Ok(()),
            Self::Incomplete => f.write_str("Command line is not complete. Try option \"help\""),
            Self::Unknown(word) => write!(f, "What is \"{word}\"?"),
            Self::Illegal { option, allowed } => {
                write!(f, "Illegal \"{option}\": allowed is {allowed}")
            }
        }
    }
}

impl std::error::Error for Error {}
