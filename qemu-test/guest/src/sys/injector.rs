// SPDX-License-Identifier: GPL-2.0

//! Sends commands to the fault injector, `/dev/tackle_fault`, and reads its answers.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::str::FromStr;

use anyhow::{bail, Context, Result};
use nix::errno::Errno;

use super::Answer;

/// The file of the injector.
pub const DEVICE: &str = "/dev/tackle_fault";

/// The open file. When it is dropped, the injector removes its hooks.
#[derive(Debug)]
pub struct Injector(File);

/// The words `key=value` of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(BTreeMap<String, String>);

impl Words {
    fn new(line: &str) -> Result<Self> {
        let pair = |word: &str| -> Result<(String, String)> {
            let (key, value) = word
                .split_once('=')
                .with_context(|| format!("not key=value: {word}"))?;
            Ok((key.into(), value.into()))
        };
        let words: Result<_> = line.split_whitespace().map(pair).collect();
        Ok(Self(words?))
    }

    /// Returns the value of a key.
    ///
    /// # Errors
    ///
    /// The line does not have the key.
    pub fn text(&self, key: &str) -> Result<&str> {
        let value = self
            .0
            .get(key)
            .with_context(|| format!("no {key}= in {:?}", self.0));
        Ok(value?)
    }

    /// Returns the value of a key, as a number.
    ///
    /// # Errors
    ///
    /// The line does not have the key, or its value is not a number.
    pub fn number<T: FromStr>(&self, key: &str) -> Result<T> {
        let text = self.text(key)?;
        text.parse()
            .ok()
            .with_context(|| format!("{key}={text} is no number"))
    }
}

impl Injector {
    /// Opens the file.
    ///
    /// # Errors
    ///
    /// The file does not exist, or it may not be opened.
    pub fn open() -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(DEVICE);
        Ok(Self(file.with_context(|| format!("cannot open {DEVICE}"))?))
    }

    /// Opens the file, places hooks and selects which calls fail.
    ///
    /// # Errors
    ///
    /// A command is refused.
    pub fn armed(place: &str, arm: &str) -> Result<Self> {
        let injector = Self::open()?;
        injector.set(&format!("place {place}"))?;
        injector.set(&format!("arm {arm}"))?;
        Ok(injector)
    }

    /// Gives a command, and returns the kernel's answer to the write.
    pub fn ask(&self, command: &str) -> Answer {
        let answer = (&self.0).write(command.as_bytes());
        match answer {
            Ok(_) => Ok(()),
            Err(error) => Err(error
                .raw_os_error()
                .map_or(Errno::UnknownErrno, Errno::from_raw)),
        }
    }

    /// Reads the answer of the last command.
    ///
    /// # Errors
    ///
    /// The answer cannot be read.
    pub fn answer(&self) -> Result<String> {
        let mut text = String::new();
        (&self.0).read_to_string(&mut text)?;
        Ok(text)
    }

    /// Gives a command, and returns its answer.
    ///
    /// # Errors
    ///
    /// The command is refused. The error has the injector's message.
    pub fn set(&self, command: &str) -> Result<String> {
        match self.ask(command) {
            Ok(()) => self.answer(),
            Err(errno) => bail!("'{command}': {errno}: {}", self.answer()?.trim_end()),
        }
    }

    /// Checks that a command is refused with this error number, and that the message contains
    /// `words`.
    ///
    /// # Errors
    ///
    /// The command is accepted, or is refused with another number or message.
    pub fn expect_refusal(&self, command: &str, expected: Errno, words: &str) -> Result<()> {
        let answer = self.ask(command);
        let text = self.answer()?;
        if answer == Err(expected) && text.contains(words) && text.lines().count() == 1 {
            return Ok(());
        }
        bail!("'{command}': expected {expected} and one line with '{words}', got {answer:?} and '{text}'")
    }

    /// Returns the counters.
    ///
    /// # Errors
    ///
    /// There are no hooks.
    pub fn status(&self) -> Result<Words> {
        Words::new(&self.set("status")?)
    }

    /// Returns the known points. Checks that no call was missed.
    ///
    /// # Errors
    ///
    /// There are no hooks, or calls were missed.
    pub fn points(&self) -> Result<Vec<Words>> {
        let status = self.status()?;
        if status.number::<u64>("missed")? + status.number::<u64>("full")? != 0 {
            bail!("calls were missed: {status:?}");
        }
        self.set("points")?.lines().map(Words::new).collect()
    }
}
