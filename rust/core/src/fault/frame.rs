// SPDX-License-Identifier: GPL-2.0

//! Formats return addresses as text.

use core::fmt;

/// A return address: `FUNCTION+0x1f`, or `MODULE:FUNCTION+0x1f` in a module.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Frame<'a> {
    /// The module; [`None`] for the kernel image.
    pub module: Option<&'a str>,
    /// The function.
    pub function: &'a str,
    /// The offset from the function's first instruction.
    pub offset: u64,
}

impl<'a> Frame<'a> {
    /// Parses the text of the kernel's `sprint_symbol()` for the address before a return address:
    /// `FUNCTION+0x1e/0x90 [MODULE]`. Returns [`None`] if the kernel has found no symbol.
    ///
    /// The byte before the return address belongs to the call. The return address itself can
    /// belong to the next function, if the call never returns.
    pub fn before(text: &'a str) -> Option<Self> {
        let (symbol, module) = match text.split_once(" [") {
            Some((symbol, rest)) => (symbol, Some(rest.split([' ', ']']).next()?)),
            None => (text, None),
        };
        let (function, rest) = symbol.rsplit_once("+0x")?;
        let offset = u64::from_str_radix(rest.split('/').next()?, 16).ok()?;
        Some(Self {
            module,
            function,
            offset: offset.checked_add(1)?,
        })
    }
}

impl fmt::Display for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(module) = self.module {
            write!(f, "{module}:")?;
        }
        write!(f, "{}+{:#x}", self.function, self.offset)
    }
}
