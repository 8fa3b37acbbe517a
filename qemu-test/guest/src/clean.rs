// SPDX-License-Identifier: GPL-2.0

//! The last test of every suite: the kernel is none the worse for the others.

use anyhow::{ensure, Result};

use crate::suite::{Context, Test};
use crate::sys::{kmemleak, module, taint};

/// The test.
pub const CLEAN: Test = Test {
    name: "clean",
    run: clean,
};

/// To be called before the first test of a suite that has it.
///
/// # Errors
///
/// The kernel does not let go of what kmemleak has found.
pub fn begin() -> Result<()> {
    if kmemleak::is_there() {
        kmemleak::clear()?;
    }
    Ok(())
}

/// Checks that nothing has tainted the kernel but what the suite is there for, and
/// that no memory is lost.
pub fn clean(_: &mut Context<'_>) -> Result<()> {
    let mut found = Vec::new();
    let allowed = allowed(module::was_loaded);
    let foreign = taint::foreign(&allowed)?;
    if !foreign.is_empty() {
        let flags = foreign.join("; ");
        found.push(format!("expected no taint but {allowed}, got {flags}"));
    }
    if kmemleak::is_there() {
        let lost = kmemleak::search()?;
        if !lost.is_empty() {
            found.push(kmemleak::tell(&lost));
        }
    }
    ensure!(found.is_empty(), found.join("\n"));
    Ok(())
}

/// The letters of the flags that the modules loaded so far set by themselves.
fn allowed(was_loaded: impl Fn(fn(&str) -> bool) -> bool) -> String {
    let mut letters = String::from("OE");
    if was_loaded(|name| name.starts_with("livepatch") || name.starts_with("test_klp")) {
        letters.push('K');
    }
    if was_loaded(|name| name.ends_with("kunit")) {
        letters.push('N');
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_follows_from_what_was_loaded() {
        let after = |names: &[&str]| allowed(|wanted| names.iter().any(|name| wanted(name)));
        assert_eq!(after(&[]), "OE");
        assert_eq!(after(&["tackle", "sch_rcodel"]), "OE");
        assert_eq!(after(&["tackle", "livepatch_cmdline"]), "OEK");
        assert_eq!(after(&["tackle_kunit"]), "OEN");
    }
}
