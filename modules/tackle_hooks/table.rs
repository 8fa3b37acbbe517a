// SPDX-License-Identifier: GPL-2.0

//! Implements the table of all hooks.

use crate::collect::{self, Hook};
use kernel::{fmt, new_mutex, prelude::*, str::CString, sync::Mutex, uaccess::UserSliceReader};
use tackle::{
    debugfs::{line_text, read_line, Dir, LastError, LineError},
    filter::{self, Filter},
    ftrace,
};
use tackle_core::hooks::{Request, LINE_LEN, NAME_LEN};

/// The hooks, and the reason why the last request was refused.
#[pin_data]
pub(crate) struct Table {
    #[pin]
    inner: Mutex<Inner>,
    /// It is changed only with the lock of `inner` held.
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

    /// Adds the hook that a line requests.
    ///
    /// # Errors
    ///
    /// - `E2BIG`: the line or the hook's name is too long.
    /// - `EINVAL`: the line is no request, or the function cannot be hooked.
    /// - `EEXIST`: there is a hook of this name already.
    /// - The errors of [`Filter::new`] and [`ftrace::EntryHook::new`].
    pub(crate) fn add(&self, line: &mut UserSliceReader) -> Result {
        let mut inner = self.inner.lock();
        self.error.note(inner.add(line, &self.dir))
    }

    /// Removes the hook whose name a line contains.
    ///
    /// # Errors
    ///
    /// - `ENOENT`: there is no hook of this name.
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
    /// Removes all hooks with one grace period for all entries and one for all exits, instead of
    /// one grace period for each hook.
    fn drop(&mut self) {
        let hooks = self.hooks.iter().map(|(_, hook)| hook.reference());
        if let Err(error) = ftrace::disarm_all(hooks) {
            // Each hook is then removed by its own drop.
            pr_warn!("{}\n", ftrace::reason(error));
        }
    }
}

impl Inner {
    fn position(&self, name: &CStr) -> Option<usize> {
        self.hooks.iter().position(|(other, _)| **other == *name)
    }

    /// Adds the hook that a line requests, with its files in `dir`.
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

    /// Removes the hook whose name a line contains.
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
        // The lock is held because the directory must be removed before one of the same name can
        // be created.
        drop(self.hooks.remove(index)?);
        Ok(())
    }
}
