// SPDX-License-Identifier: GPL-2.0

//! Implements the last test of every suite: the kernel is not tainted and no memory is lost.

use anyhow::{ensure, Result};

use crate::suite::{Context, Test};
use crate::sys::{kmemleak, module, taint};

/// The test.
pub const CLEAN: Test = Test {
    name: "clean",
    run: clean,
};

/// Prepares the test. It is called before the first test of each suite that has this test.
///
/// # Errors
///
/// The kernel cannot discard the earlier findings of kmemleak.
pub fn begin() -> Result<()> {
    if kmemleak::is_there() {
        kmemleak::clear()?;
    }
    Ok(())
}

/// Checks that the kernel has no taint flags except those of the suite's modules, and that no
/// memory is lost.
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

/// Returns the letters of those taint flags that the modules loaded so far are expected to set.
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
