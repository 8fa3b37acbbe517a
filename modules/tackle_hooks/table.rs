// SPDX-License-Identifier: GPL-2.0

//! Which hooks there are.

use crate::collect::{self, Hook};
use kernel::{fmt, new_mutex, prelude::*, str::CString, sync::Mutex, uaccess::UserSliceReader};
use tackle::{
    debugfs::{line_text, read_line, Dir, LastError, LineError},
    filter::{self, Filter},
    ftrace,
};
use tackle_core::hooks::{Request, LINE_LEN, NAME_LEN};

/// The hooks, and why the last request was refused.
#[pin_data]
pub(crate) struct Table {
    #[pin]
    inner: Mutex<Inner>,
    /// Changed with the lock held.
    #[pin]
    error: LastError,
    dir: Dir,
}

struct Inner {
    hooks: KVec<(CString, Hook)>,
}

impl Table {
    /// Creates an initialiser for a table whose hooks have their files in `dir`.
    pub(crate) fn new(dir: Dir) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            inner <- new_mutex!(Inner {
                hooks: KVec::new(),
            }),
            error <- LastError::new(),
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
        self.error.note(inner.add(line, &self.dir))
    }

    /// Removes the hook whose name a line has.
    ///
    /// # Errors
    ///
    /// `ENOENT`: there is none.
    pub(crate) fn del(&self, line: &mut UserSliceReader) -> Result {
        let mut inner = self.inner.lock();
        self.error.note(inner.del(line))
    }

    /// Writes why the last request was refused, if it was.
    pub(crate) fn show_error(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _inner = self.inner.lock();
        self.error.show(f)
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

    /// Adds the hook that a line asks for, with its files in `dir`.
    fn add(&mut self, line: &mut UserSliceReader, dir: &Dir) -> Result<(), LineError> {
        let text = read_line(line, LINE_LEN)?;
        let request = match Request::parse(line_text(&text)?) {
            Ok(request) => request,
            Err(error) => return Err(LineError::new(EINVAL, format_args!("{error}"))),
        };
        let name = CString::try_from_fmt(format_args!("{}", request.hook_name()))?;
        if name.count_bytes() > NAME_LEN {
            return Err(LineError::new(
                E2BIG,
                fmt!("the hook's name is too long: give it one with name="),
            ));
        }
        if self.position(&name).is_some() {
            let name = name.to_str()?;
            return Err(LineError::new(
                EEXIST,
                fmt!("there is a hook '{name}': give this one another name with name="),
            ));
        }
        self.hooks.reserve(1, GFP_KERNEL)?;
        let filter = match Filter::new(&request.filter) {
            Ok(filter) => filter,
            Err(error) => {
                let (function, why) = (request.function, filter::reason(error));
                return Err(LineError::new(
                    error,
                    format_args!("{function}{}: {why}", request.filter),
                ));
            }
        };
        let function = request.function;
        let returns = match collect::returns(&request)? {
            collect::Type::Known(returns) => returns,
            collect::Type::Other => {
                return Err(LineError::new(
                    EINVAL,
                    fmt!(
                        "{function} returns no number or pointer: count its calls, or say with \
                         returns= what it is"
                    ),
                ))
            }
            collect::Type::Later => {
                return Err(LineError::new(
                    EINVAL,
                    fmt!("{function} is not there to tell what it returns: say it with returns="),
                ))
            }
        };
        match Hook::new(&request, filter, returns, dir, &name) {
            Ok(hook) => {
                self.hooks.push_within_capacity((name, hook))?;
                Ok(())
            }
            Err(error) => Err(LineError::new(
                error,
                fmt!("{function}: {}", ftrace::reason(error)),
            )),
        }
    }

    /// Removes the hook whose name a line has.
    fn del(&mut self, line: &mut UserSliceReader) -> Result<(), LineError> {
        let text = read_line(line, LINE_LEN)?;
        let name = line_text(&text)?.trim();
        let found = self
            .hooks
            .iter()
            .position(|(other, _)| other.to_bytes() == name.as_bytes());
        let Some(index) = found else {
            return Err(LineError::new(
                ENOENT,
                fmt!("there is no hook '{name}': list has their names"),
            ));
        };
        // With the lock held: its directory has to be gone before another one can be made.
        drop(self.hooks.remove(index)?);
        Ok(())
    }
}
