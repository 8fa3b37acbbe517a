// SPDX-License-Identifier: GPL-2.0

//! Reads a file that another process is still writing, and splits bytes into lines.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The maximum number of bytes per read, so that much output on one stream does not delay the other
/// stream.
const CHUNK: u64 = 1 << 20;

/// The maximum length of a line. Longer lines are cut, so that a guest that never ends its line
/// does not fill the memory.
const MAX_LINE: usize = 1 << 16;

/// A file that is read while it grows. The file need not exist yet.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    file: Option<File>,
}

impl Tail {
    /// Follows `path` from its beginning.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            file: None,
        }
    }

    /// Returns the bytes that were added since the last call, at most 1 MiB of them.
    ///
    /// # Errors
    /// Fails when the file cannot be opened or read. A file that does not exist counts as empty.
    pub fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = match &mut self.file {
            Some(file) => file,
            None => match File::open(&self.path) {
                Ok(file) => self.file.insert(file),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(bytes),
                Err(error) => return Err(error),
            },
        };
        file.take(CHUNK).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// All bytes that were added since the last call.
    ///
    /// # Errors
    /// The errors are those of [`read`](Self::read).
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let more = self.read()?;
            if more.is_empty() {
                return Ok(all);
            }
            all.extend(more);
        }
    }
}

/// Splits a stream of bytes into lines.
#[derive(Debug, Default)]
pub struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Returns a stream that has read nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes. Returns the complete lines, without line ends. Bytes that are not UTF-8 are
    /// replaced by U+FFFD.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for &byte in bytes {
            if byte == b'\n' {
                lines.push(self.take());
                continue;
            }
            if self.partial.len() >= MAX_LINE {
                lines.push(self.take());
            }
            self.partial.push(byte);
        }
        lines
    }

    /// Returns the last line if it has no line end.
    pub fn finish(&mut self) -> Option<String> {
        (!self.partial.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> String {
        let bytes = std::mem::take(&mut self.partial);
        String::from_utf8_lossy(&bytes)
            .trim_end_matches('\r')
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn lines_come_out_whole() {
        let mut lines = Lines::new();
        assert_eq!(lines.push(b"one\r\n\ntw"), ["one", ""]);
        assert_eq!(lines.push(b"o\xff\nrest"), ["two\u{fffd}"]);
        assert_eq!(lines.finish().as_deref(), Some("rest"));
        assert_eq!(lines.finish(), None);
    }

    #[test]
    fn an_endless_line_is_cut() {
        let mut lines = Lines::new();
        assert_eq!(lines.push(&vec![b'x'; MAX_LINE + 1]).len(), 1);
        assert_eq!(lines.finish().as_deref(), Some("x"));
    }

    #[test]
    fn a_file_is_read_as_it_grows() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("log");
        let mut tail = Tail::new(&path);
        assert!(tail.read()?.is_empty());
        let mut file = File::create(&path)?;
        file.write_all(b"a")?;
        assert_eq!(tail.read()?, b"a");
        assert!(tail.read()?.is_empty());
        file.write_all(b"bc")?;
        assert_eq!(tail.read()?, b"bc");
        Ok(())
    }
}
