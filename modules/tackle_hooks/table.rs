// SPDX-License-Identifier: GPL-2.0

//! Which hooks there are.

use crate::collect::{self, Hook};
use core::{fmt::Write, str};
use kernel::{fmt, new_mutex, prelude::*, str::CString, sync::Mutex, uaccess::UserSliceReader};
use tackle::{
    debugfs::Dir,
    filter::{self, Filter},
    ftrace,
};
use tackle_core::hooks::{Request, LINE_LEN, NAME_LEN};

/// The hooks, and why the last request was refused.
#[pin_data]
pub(crate) struct Table {
    #[pin]
    inner: Mutex<Inner>,
    dir: Dir,
}

struct Inner {
    hooks: KVec<(CString, Hook)>,
    error: CString,
}

impl Table {
    /// Creates an initialiser for a table whose hooks have their files in `dir`.
    pub(crate) fn new(dir: Dir) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            inner <- new_mutex!(Inner {
                hooks: KVec::new(),
                error: CString::try_from_fmt(fmt!(""))?,
            }),
            dir,
        })
    }

    /// Adds the hook that a line asks for.
    ///
    /// # Errors
    ///
    /// - `E2BIG`: the line or the hook's name is too long.
    /// - `EINVAL`: it is no request, or the function cannot be hooked.
    /// - `EEXIST`: there is a hook of this name.
    /// - What [`Filter::new`] and [`ftrace::EntryHook::new`] return.
    pub(crate) fn add(&self, line: &mut UserSliceReader) -> Result {
        let mut inner = self.inner.lock();
        let text = inner.read(line)?;
        let text = inner.text(&text)?;
        let request = match Request::parse(text) {
            Ok(request) => request,
            Err(error) => return inner.refuse(EINVAL, format_args!("{error}")),
        };
        let name = CString::try_from_fmt(format_args!("{}", request.hook_name()))?;
        if name.count_bytes() > NAME_LEN {
            return inner.refuse(
                E2BIG,
                fmt!("the hook's name is too long: give it one with name="),
            );
        }
        if inner.position(&name).is_some() {
            let name = name.to_str()?;
            return inner.refuse(
                EEXIST,
                fmt!("there is a hook '{name}': give this one another name with name="),
            );
        }
        inner.hooks.reserve(1, GFP_KERNEL)?;
        let filter = match Filter::new(&request.filter) {
            Ok(filter) => filter,
            Err(error) => {
                let (function, why) = (request.function, filter::reason(error));
                return inner.refuse(error, format_args!("{function}{}: {why}", request.filter));
            }
        };
        let function = request.function;
        let returns = match collect::returns(&request)? {
            collect::Type::Known(returns) => returns,
            collect::Type::Other => {
                return inner.refuse(
                    EINVAL,
                    fmt!(
                        "{function} returns no number or pointer: count its calls, or say with \
                         returns= what it is"
                    ),
                )
            }
            collect::Type::Later => {
                return inner.refuse(
                    EINVAL,
                    fmt!("{function} is not there to tell what it returns: say it with returns="),
                )
            }
        };
        match Hook::new(&request, filter, returns, &self.dir, &name) {
            Ok(hook) => {
                inner.hooks.push_within_capacity((name, hook))?;
                inner.accept()
            }
            Err(error) => inner.refuse(error, fmt!("{function}: {}", ftrace::reason(error))),
        }
    }

    /// Removes the hook whose name a line has.
    ///
    /// # Errors
    ///
    /// `ENOENT`: there is none.
    pub(crate) fn del(&self, line: &mut UserSliceReader) -> Result {
        let mut inner = self.inner.lock();
        let text = inner.read(line)?;
        let name = inner.text(&text)?.trim();
        let found = inner
            .hooks
            .iter()
            .position(|(other, _)| other.to_bytes() == name.as_bytes());
        let Some(index) = found else {
            return inner.refuse(
                ENOENT,
                fmt!("there is no hook '{name}': list has their names"),
            );
        };
        // With the lock held: its directory has to be gone before another one can be made.
        drop(inner.hooks.remove(index)?);
        inner.accept()
    }

    /// Writes why the last request was refused, if it was.
    pub(crate) fn show_error(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.inner.lock();
        match inner.error.to_str() {
            Ok("") | Err(_) => Ok(()),
            Ok(error) => f.write_fmt(fmt!("{error}\n")),
        }
    }

    /// Writes a line for each hook.
    pub(crate) fn show_list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, hook) in &self.inner.lock().hooks {
            f.write_fmt(fmt!("{} ", &**name))?;
            hook.show(f)?;
            f.write_str("\n")?;
        }
        Ok(())
    }
}

impl Drop for Inner {
    /// Takes the hooks off in one grace period for entries and exits each, instead of one for each
    /// hook.
    fn drop(&mut self) {
        let hooks = self.hooks.iter().map(|(_, hook)| hook.reference());
        if let Err(error) = ftrace::disarm_all(hooks) {
            // Then each goes by itself.
            pr_warn!("{}\n", ftrace::reason(error));
        }
    }
}

impl Inner {
    fn position(&self, name: &CStr) -> Option<usize> {
        self.hooks.iter().position(|(other, _)| **other == *name)
    }

    /// Reads what is written.
    fn read(&mut self, line: &mut UserSliceReader) -> Result<KVec<u8>> {
        if line.len() > LINE_LEN {
            self.refuse(E2BIG, fmt!("a line has at most {LINE_LEN} bytes"))?;
        }
        let mut text = KVec::from_elem(0, line.len(), GFP_KERNEL)?;
        line.read_slice(&mut text)?;
        Ok(text)
    }

    fn text<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a str> {
        match str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Ok(text),
            _ => {
                self.refuse(EINVAL, fmt!("this is not text"))?;
                Err(EINVAL)
            }
        }
    }

    /// Notes why a request is refused with `error`, in one line: what it quotes of the request
    /// may have line breaks.
    fn refuse(&mut self, error: Error, why: fmt::Arguments<'_>) -> Result {
        self.error = CString::try_from_fmt(fmt!("{}", OneLine(why)))?;
        Err(error)
    }

    fn accept(&mut self) -> Result {
        self.error = CString::try_from_fmt(fmt!(""))?;
        Ok(())
    }
}

/// A text whose control characters are shown as `\n` or `\u{7f}`.
struct OneLine<'a>(fmt::Arguments<'a>);

impl fmt::Display for OneLine<'_> {
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
