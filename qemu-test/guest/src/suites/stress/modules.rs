// SPDX-License-Identifier: GPL-2.0

//! Loads and unloads modules while the functions that they hook are called. In each round one of
//! these modules is loaded, used and unloaded, in turn:
//!
//! - `hook_count`, on a system call and, every second time, on the function that
//!   the live patch replaces, counts calls;
//! - `numa_stat` shows its table; the first time, the table must have faults. A kernel without NUMA
//!   balancing has no such rounds.
//!
//! After unloading, no function must call the module, and its files must not exist. The library is
//! loaded first and unloaded last, unless others hold it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{ensure, Result};

use super::crowd::{Caller, Kind};
use super::{await_more, LIMIT};
use crate::sys::numa::{self, Eager};
use crate::sys::numa_stat;
use crate::sys::{debugfs, ftrace, module, wait_often};

const COUNT: &str = "hook_count";
const STAT: &str = "numa_stat";
const FUNCTIONS: [&str; 2] = ["__x64_sys_getsid", "cmdline_proc_show"];
const PAGE: usize = 4096;
/// The size of the memory that all processors touch, so that each node accesses pages of other
/// nodes.
const MEMORY: usize = 8 << 20;

/// See the module's documentation.
pub struct Modules {
    memory: Vec<AtomicU8>,
    counted: AtomicU64,
    faults: AtomicU64,
    /// `None` if the kernel has no NUMA balancing.
    eager: Option<Eager>,
}

impl Modules {
    /// Makes the kernel scan often, if it has NUMA balancing.
    ///
    /// # Errors
    ///
    /// The settings of the kernel cannot be written.
    pub fn new() -> Result<Self> {
        Ok(Self {
            memory: (0..MEMORY).map(|_| AtomicU8::new(0)).collect(),
            counted: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            eager: numa::can_balance().then(Eager::new).transpose()?,
        })
    }

    fn count_calls(&self, turn: u32) -> Result<module::Loaded> {
        let function = FUNCTIONS[turn as usize % FUNCTIONS.len()];
        let module = module::load(COUNT, &format!("function={function}"))?;
        let calls = || debugfs::value(debugfs::tackle("hook_count/calls"));
        await_more("calls to be counted", 1, calls)?;
        self.counted.fetch_add(calls()?, Relaxed);
        Ok(module)
    }

    fn count_faults(&self, turn: u32) -> Result<module::Loaded> {
        let module = module::load(STAT, "memory_kib=64")?;
        let faults = || -> Result<u64> {
            let rows = numa_stat::rows("tasks", "pid")?;
            Ok(rows.values().map(|row| row.get("faults")).sum())
        };
        if turn == 0 {
            let come = || Ok((faults()? > 0).then_some(()));
            wait_often("NUMA faults", Duration::from_millis(50), LIMIT, come)?;
        }
        self.faults.fetch_add(faults()?, Relaxed);
        Ok(module)
    }
}

impl Kind for Modules {
    fn name(&self) -> &'static str {
        "modules in and out"
    }

    fn caller(&self) -> Result<Caller<'_>> {
        let cmdline = File::open("/proc/cmdline")?;
        let mut pages = (0..MEMORY).step_by(PAGE).cycle();
        Ok(Box::new(move || {
            let mut text = [0; 4096];
            cmdline.read_at(&mut text, 0)?;
            for _ in 0..40 {
                // The session of this process always exists.
                let _ = nix::unistd::getsid(None);
            }
            for page in pages.by_ref().take(4) {
                self.memory[page].fetch_add(1, Relaxed);
            }
            Ok(41)
        }))
    }

    fn round(&self, number: u32) -> Result<u32> {
        let library = module::library()?;
        let stat = self.eager.is_some() && number % 2 == 1;
        let turn = number / 2;
        let (name, module) = if stat {
            (STAT, self.count_faults(turn)?)
        } else {
            (COUNT, self.count_calls(turn)?)
        };
        module.unload()?;
        ftrace::expect_no_callback(name)?;
        let folder = debugfs::tackle(name);
        ensure!(!folder.exists(), "{} is still there", folder.display());
        library.unload()?;
        Ok(1)
    }

    fn figures(&self) -> String {
        format!(
            "{} counted, {} pages of NUMA faults",
            self.counted.load(Relaxed),
            self.faults.load(Relaxed)
        )
    }

    fn finish(self) -> Result<()> {
        drop(self.eager);
        Ok(())
    }
}
