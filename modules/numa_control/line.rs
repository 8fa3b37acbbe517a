// SPDX-License-Identifier: GPL-2.0

//! Lines that are written to the files of `numa_control`, and why one was refused.

use kernel::{fmt, new_mutex, prelude::*, str::CString, sync::Mutex, uaccess::UserSliceReader};

/// The longest line, in bytes: a path and a few words.
const LINE_LEN: usize = 4200;

/// Why a line is refused: the errno, and a sentence.
pub(crate) struct LineError {
    error: Error,
    /// [`None`] without memory for it.
    why: Option<CString>,
}

impl LineError {
    /// Refuses a line.
    pub(crate) fn new(error: Error, why: fmt::Arguments<'_>) -> Self {
        Self {
            error,
            why: CString::try_from_fmt(why).ok(),
        }
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

/// Reads a line.
pub(crate) fn read(line: &mut UserSliceReader) -> Result<KVec<u8>, LineError> {
    if line.len() > LINE_LEN {
        return Err(LineError::new(
            E2BIG,
            format_args!("a line has at most {LINE_LEN} bytes"),
        ));
    }
    let mut text = KVec::from_elem(0, line.len(), GFP_KERNEL)?;
    line.read_slice(&mut text)?;
    Ok(text)
}

/// Returns the text of a line.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, LineError> {
    match core::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(LineError::new(EINVAL, format_args!("this is not text"))),
    }
}

/// Why the last line was refused, for the file `error`.
#[pin_data]
pub(crate) struct LastError {
    #[pin]
    why: Mutex<Option<CString>>,
}

impl LastError {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self { why <- new_mutex!(None) })
    }

    /// Notes the answer to a line.
    pub(crate) fn note(&self, answer: Result<(), LineError>) -> Result {
        let mut why = self.why.lock();
        match answer {
            Ok(()) => {
                *why = None;
                Ok(())
            }
            Err(refused) => {
                *why = refused.why;
                Err(refused.error)
            }
        }
    }

    /// Writes the file `error`.
    pub(crate) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why.lock().as_ref().and_then(|why| why.to_str().ok()) {
            Some(why) => writeln!(f, "{why}"),
            None => Ok(()),
        }
    }
}
