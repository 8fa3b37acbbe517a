// SPDX-License-Identifier: GPL-2.0

//! Implements reading of lines that users write to a file, and a file that shows why the last line
//! was refused.

use core::fmt::Write;
use kernel::{fmt, new_mutex, prelude::*, str::CString, sync::Mutex, uaccess::UserSliceReader};

/// Why a line is refused: the errno, and a message.
pub struct LineError {
    error: Error,
    /// The message; [`None`] if the errno is enough.
    why: Option<CString>,
}

impl LineError {
    /// Refuses a line with `error` and the message `why`. Line breaks in the message are escaped,
    /// since it may quote the request. If there is no memory for the message, the error is
    /// `ENOMEM`.
    pub fn new(error: Error, why: fmt::Arguments<'_>) -> Self {
        match CString::try_from_fmt(format_args!("{}", OneLine(why))) {
            Ok(why) => Self {
                error,
                why: Some(why),
            },
            Err(error) => error.into(),
        }
    }
}

impl LineError {
    /// Returns the errno.
    pub fn error(&self) -> Error {
        self.error
    }
}

impl core::fmt::Display for LineError {
    /// Writes the message, or nothing if there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = self.why.as_ref().and_then(|why| why.to_str().ok());
        f.write_str(why.unwrap_or_default())
    }
}

impl<E: Into<Error>> From<E> for LineError {
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            why: None,
        }
    }
}

/// Reads a line of at most `max` bytes.
///
/// # Errors
///
/// - `E2BIG`: the line is longer than `max` bytes.
/// - `EFAULT`: the buffer is not memory of the calling process.
/// - `ENOMEM`: there is no memory for the line.
pub fn read_line(line: &mut UserSliceReader, max: usize) -> Result<KVec<u8>, LineError> {
    if line.len() > max {
        return Err(LineError::new(
            E2BIG,
            format_args!("a line has at most {max} bytes"),
        ));
    }
    let mut text = KVec::from_elem(0, line.len(), GFP_KERNEL)?;
    line.read_slice(&mut text)?;
    Ok(text)
}

/// Returns the text of a line.
///
/// # Errors
///
/// `EINVAL`: the line is not UTF-8, or contains a NUL.
pub fn line_text(bytes: &[u8]) -> Result<&str, LineError> {
    match core::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(LineError::new(EINVAL, format_args!("this is not text"))),
    }
}

/// The reason why the last line was refused, for a file `error`.
#[pin_data]
pub struct LastError {
    #[pin]
    why: Mutex<Option<CString>>,
}

impl LastError {
    /// Creates an initialiser without a reason: no line was refused yet.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self { why <- new_mutex!(None) })
    }

    /// Stores the message of `answer`, the result of a line. Returns the result that the write to
    /// the file is to return. If `answer` is an error without a message, the stored message stays.
    ///
    /// # Errors
    ///
    /// The error of `answer`.
    pub fn note(&self, answer: Result<(), LineError>) -> Result {
        let (why, result) = match answer {
            Ok(()) => (None, Ok(())),
            Err(LineError { error, why: None }) => return Err(error),
            Err(LineError { error, why }) => (why, Err(error)),
        };
        *self.why.lock() = why;
        result
    }

    /// Writes the content of the file `error`.
    pub fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why.lock().as_ref().and_then(|why| why.to_str().ok()) {
            Some(why) => writeln!(f, "{why}"),
            None => Ok(()),
        }
    }
}

/// A text whose control characters are shown as `\n` or `\u{7f}`.
struct OneLine<'a>(fmt::Arguments<'a>);

impl core::fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Escape<'a, 'b>(&'a mut fmt::Formatter<'b>);

        impl Write for Escape<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                for c in text.chars() {
                    if c.is_control() {
                        self.0.write_fmt(format_args!("{}", c.escape_default()))?;
                    } else {
                        self.0.write_char(c)?;
                    }
                }
                Ok(())
            }
        }

        core::fmt::write(&mut Escape(f), self.0)
    }
}
