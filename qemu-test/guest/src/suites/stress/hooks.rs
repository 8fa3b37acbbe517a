// SPDX-License-Identifier: GPL-2.0

//! Adds and removes hooks on some functions, by a task on each processor, while every processor
//! calls the functions. In each round:
//!
//! - ten hooks are added while other tasks also have hooks there, half of them at the functions'
//!   entries and half at their exits;
//! - each hook must see calls of its function; sometimes its handler is so slow that its task is
//!   preempted right after it;
//! - all hooks are removed, and their memory is freed, while calls continue.
//!
//! At the end no hook must remain on the functions.

use anyhow::{ensure, Result};
use nix::unistd::{getpgid, getppid, gettid};

use super::crowd::{grouped, Caller, Kind};
use crate::sys::{debugfs, ftrace, module};

const MODULE: &str = "hook_stress";
/// The functions that each caller calls.
const CALLS: [&str; 3] = ["__x64_sys_getpgid", "__x64_sys_getppid", "__x64_sys_gettid"];

/// See the module's documentation.
pub struct Hooks {
    stack: module::Stack,
}

impl Hooks {
    /// Loads the module that adds and removes hooks on request.
    ///
    /// # Errors
    ///
    /// The module cannot be loaded.
    pub fn new() -> Result<Self> {
        Ok(Self {
            stack: module::stack(MODULE, &format!("functions={}", CALLS.join(",")))?,
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
            const TIMES: u64 = 16;
            for _ in 0..TIMES {
                // The process group of this process always exists.
                let _ = getpgid(None);
                getppid();
                gettid();
            }
            Ok(TIMES * CALLS.len() as u64)
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
        let value = |file| grouped(value(file).unwrap_or_default());
        format!(
            "{} hooks registered and removed, {} counted",
            value("registrations"),
            value("calls")
        )
    }

    fn finish(self) -> Result<()> {
        for function in CALLS {
            ftrace::expect_bare(function)?;
        }
        self.stack.unload()
    }
}
