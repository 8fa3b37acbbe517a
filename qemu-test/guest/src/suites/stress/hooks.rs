// SPDX-License-Identifier: GPL-2.0

//! Hooks added and removed on one function, by a task on each processor, while
//! every processor calls it. In each round:
//!
//! - a hook is added beside those that the other tasks have there just now;
//! - it sees calls of its function, or the round fails;
//! - it is removed, and its memory freed, while calls go on.
//!
//! At the end the function is bare.

use anyhow::{ensure, Result};

use super::crowd::{Caller, Kind};
use crate::sys::{debugfs, ftrace, module};

const MODULE: &str = "hook_stress";
/// Nothing else in the guest asks for a process group.
const CALL: &str = "__x64_sys_getpgid";

/// See the module's documentation.
pub struct Hooks {
    stack: module::Stack,
}

impl Hooks {
    /// Loads the module that adds and removes hooks when told to.
    ///
    /// # Errors
    ///
    /// It cannot be loaded.
    pub fn new() -> Result<Self> {
        Ok(Self {
            stack: module::stack(MODULE, &format!("function={CALL}"))?,
        })
    }
}

fn value(file: &str) -> Result<u64> {
    debugfs::value(debugfs::tackle(MODULE).join(file))
}

impl Kind for Hooks {
    fn name(&self) -> &'static str {
        "hooks from many CPUs"
    }

    fn workers(&self) -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    fn caller(&self) -> Result<Caller<'_>> {
        Ok(Box::new(|| {
            for _ in 0..50 {
                // Its own group always exists.
                let _ = nix::unistd::getpgid(None);
            }
            Ok(50)
        }))
    }

    fn round(&self, _: u32) -> Result<u32> {
        let before = (value("done")?, value("calls")?);
        debugfs::set(debugfs::tackle(MODULE).join("rounds"), "1")?;
        let after = (value("done")?, value("calls")?);
        ensure!(
            after.0 > before.0 && after.1 > before.1,
            "expected rounds and calls above {before:?}, got {after:?}"
        );
        Ok(1)
    }

    fn figures(&self) -> String {
        format!("{} counted", value("calls").unwrap_or_default())
    }

    fn finish(self) -> Result<()> {
        ftrace::expect_bare(CALL)?;
        self.stack.unload()
    }
}
