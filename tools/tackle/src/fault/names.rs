// SPDX-License-Identifier: GPL-2.0

//! Demangles the names of Rust functions in reports.

use std::fmt::Write as _;

/// Returns `text` with each mangled Rust symbol replaced by its demangled name without the hash:
/// `m:_RNvC1m4init+0x4` becomes `m:m::init+0x4`.
pub fn readable(text: &str) -> String {
    let is_symbol = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let ends = |c: char| is_symbol(c) != is_symbol(first);
        let (word, tail) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
        let is_mangled = word.starts_with("_R") || word.starts_with("_ZN");
        match rustc_demangle::try_demangle(word) {
            // Writing to a string does not fail.
            Ok(name) if is_mangled => drop(write!(shown, "{name:#}")),
            _ => shown.push_str(word),
        }
        rest = tail;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn symbols_of_rust_are_replaced_and_all_else_is_kept() {
        let line = "load: m:_RNvNtC6tackle4exit6shrink+0xa4 < kmalloc+0x1 [m]\n\u{e9} _R, RCU";
        assert_eq!(
            readable(line),
            "load: m:tackle::exit::shrink+0xa4 < kmalloc+0x1 [m]\n\u{e9} _R, RCU"
        );
        assert_eq!(readable(""), "");
    }
}
