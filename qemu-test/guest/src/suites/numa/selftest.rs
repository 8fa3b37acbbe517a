// SPDX-License-Identifier: GPL-2.0

//! Runs the kernel's own selftest of NUMA balancing, which our patches add.

use std::path::Path;
use std::process::Command;

use anyhow::{ensure, Context as _, Result};

use super::{need_nodes, LIMIT};
use crate::suite::{skip, Context};
use crate::sys::kernel::patience;

/// The program is built from the source of a kernel that has it (`scripts/selftests.sh`).
const PROGRAM: &str = "/tackle/selftest-numa_balancing";

/// Tests that each test of the program passes.
pub(super) fn the_kernels_selftest_passes(context: &mut Context<'_>) -> Result<()> {
    need_nodes()?;
    if !Path::new(PROGRAM).exists() {
        return skip("the kernel has no such selftest");
    }
    let output = Command::new(PROGRAM)
        .arg(patience(LIMIT).as_secs().to_string())
        .output()
        .context(PROGRAM)?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success() && text.contains("# Totals: pass:3 fail:0"),
        "{}: {text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    for line in text.lines().filter(|line| line.contains(" pages came ")) {
        context.note(line.trim_start_matches("# ").to_owned())?;
    }
    Ok(())
}
