// SPDX-License-Identifier: GPL-2.0

//! Implements an open file of the device: a write is a command, and the next reads return the
//! answer.

use core::fmt;
use kernel::{
    fs::{File, Kiocb},
    iov::{IovIterDest, IovIterSource},
    miscdevice::{MiscDevice, MiscDeviceRegistration},
    new_mutex,
    prelude::*,
    sync::Mutex,
};
use tackle::{
    debugfs::{line_text, LineError},
    fault::{self, Campaign},
};
use tackle_core::fault::{Command, COMMAND_LEN};

/// The answer to a command, and the number of bytes that were read.
struct Answer {
    text: KVVec<u8>,
    read: usize,
}

impl Answer {
    const fn new() -> Self {
        Self {
            text: KVVec::new(),
            read: 0,
        }
    }
}

impl fmt::Write for Answer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text
            .extend_from_slice(text.as_bytes(), GFP_KERNEL)
            .map_err(|_| fmt::Error)
    }
}

struct Inner {
    campaign: Option<Campaign>,
    answer: Answer,
}

/// An open file. Its campaign is dropped when the file is closed.
#[pin_data]
pub(crate) struct Session {
    #[pin]
    inner: Mutex<Inner>,
}

#[vtable]
impl MiscDevice for Session {
    type Ptr = Pin<KBox<Self>>;

    fn open(_file: &File, _device: &MiscDeviceRegistration<Self>) -> Result<Self::Ptr> {
        KBox::pin_init(
            pin_init!(Self {
                inner <- new_mutex!(Inner {
                    campaign: None,
                    answer: Answer::new(),
                }),
            }),
            GFP_KERNEL,
        )
    }

    fn read_iter(kiocb: Kiocb<'_, Self::Ptr>, iov: &mut IovIterDest<'_>) -> Result<usize> {
        let session = kiocb.file();
        let answer = &mut session.inner.lock().answer;
        let rest = answer.text.get(answer.read..).unwrap_or_default();
        let copied = iov.copy_to_iter(rest);
        if copied == 0 && !rest.is_empty() && !iov.is_empty() {
            return Err(EFAULT);
        }
        answer.read += copied;
        Ok(copied)
    }

    fn write_iter(kiocb: Kiocb<'_, Self::Ptr>, iov: &mut IovIterSource<'_>) -> Result<usize> {
        let len = iov.len();
        let session = kiocb.file();
        let inner = &mut *session.inner.lock();
        inner.answer = Answer::new();
        let result = if len > COMMAND_LEN {
            Err(LineError::new(
                E2BIG,
                format_args!("a command has at most {COMMAND_LEN} bytes"),
            ))
        } else {
            let mut line = KVec::new();
            match iov.copy_from_iter_vec(&mut line, GFP_KERNEL)? {
                copied if copied == len => inner.run(&line),
                _ => return Err(EFAULT),
            }
        };
        if let Err(error) = result {
            inner.answer = Answer::new();
            // If there is no memory for the text, the answer has no text.
            let _ = fmt::Write::write_fmt(&mut inner.answer, format_args!("{error}\n"));
            return Err(error.error());
        }
        Ok(len)
    }
}

impl Inner {
    /// Executes a command.
    fn run(&mut self, line: &[u8]) -> Result<(), LineError> {
        let command = match Command::parse(line_text(line)?) {
            Ok(command) => command,
            Err(why) => return Err(LineError::new(EINVAL, format_args!("{why}"))),
        };
        let Self { campaign, answer } = self;
        let placed = || {
            campaign.as_ref().ok_or_else(|| {
                LineError::new(ENOENT, format_args!("no hooks are placed: place first"))
            })
        };
        match command {
            Command::Functions => fault::show_rules(answer).map_err(|_| ENOMEM)?,
            Command::Place(selection) => {
                // The old campaign is dropped before, since there can be only one at a time.
                *campaign = None;
                *campaign = Some(Campaign::new(&selection)?);
            }
            Command::Arm(mode) => placed()?.arm(&mode),
            Command::Disarm => placed()?.disarm(),
            Command::Status => placed()?.show_status(answer).map_err(|_| ENOMEM)?,
            Command::Points => placed()?.show_points(answer)?,
            Command::Forget => placed()?.forget()?,
        }
        Ok(())
    }
}
