// SPDX-License-Identifier: GPL-2.0

//! Suites that fail on purpose, each in its own way: they show that a failure
//! is seen.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{bail, ensure, Result};
use nix::errno::Errno;

use crate::clean::clean;
use crate::suite::{list, Context, Suite};
use crate::sys::{debugfs, module};

/// Does what it is told to while it is loaded, and does not stay.
const MODULE: &str = "rig_bug";

/// An expectation that does not hold.
pub const EXPECTATION: Suite = Suite {
    name: "fail-expectation",
    by_name_only: true,
    tests: list![wrong_sum],
};

/// A crash of the kernel.
pub const BUG: Suite = Suite {
    name: "fail-bug",
    by_name_only: true,
    tests: list![crash],
};

/// A test that never ends.
pub const HANG: Suite = Suite {
    name: "fail-hang",
    by_name_only: true,
    tests: list![hang],
};

/// A test that passes, but with a warning in the kernel log.
pub const WARN: Suite = Suite {
    name: "fail-warn",
    by_name_only: true,
    tests: list![warning],
};

/// Memory that is lost: seen at the end of the suite, by a kernel with kmemleak.
pub const LEAK: Suite = Suite {
    name: "fail-leak",
    by_name_only: true,
    tests: list![leak, clean],
};

/// A test that passes, but has read what was freed before; for a kernel with KASAN.
pub const USE_AFTER_FREE: Suite = Suite {
    name: "fail-use-after-free",
    by_name_only: true,
    tests: list![use_after_free],
};

/// A test that passes, but has taken two locks in either order; for a kernel with
/// lockdep.
pub const INVERSION: Suite = Suite {
    name: "fail-inversion",
    by_name_only: true,
    tests: list![inversion],
};

fn wrong_sum(_: &mut Context<'_>) -> Result<()> {
    let online = debugfs::read("/sys/devices/system/cpu/online")?;
    ensure!(online.is_empty(), "expected no processor, got {online}");
    Ok(())
}

fn crash(_: &mut Context<'_>) -> Result<()> {
    module::expect_refusal(MODULE, "what=bug", Errno::ECANCELED)?;
    bail!("expected a crash, but the kernel went on")
}

fn hang(_: &mut Context<'_>) -> Result<()> {
    loop {
        sleep(Duration::from_secs(3600));
    }
}

fn warning(_: &mut Context<'_>) -> Result<()> {
    module::expect_refusal(MODULE, "what=warn", Errno::ECANCELED)
}

fn leak(_: &mut Context<'_>) -> Result<()> {
    // It stays, or the report could not name its functions.
    module::load(MODULE, "what=leak")?.leave();
    Ok(())
}

fn use_after_free(_: &mut Context<'_>) -> Result<()> {
    module::expect_refusal(MODULE, "what=use-after-free", Errno::ECANCELED)
}

fn inversion(_: &mut Context<'_>) -> Result<()> {
    module::expect_refusal(MODULE, "what=inversion", Errno::ECANCELED)
}
