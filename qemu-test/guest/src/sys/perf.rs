// SPDX-License-Identifier: GPL-2.0

//! Counts calls of kernel functions by perf events.

use std::ffi::CString;

use anyhow::{Context, Result};
use perf_event_open::config::{Cpu, Opts, Proc};
use perf_event_open::count::Counter;
use perf_event_open::event::tp::Tracepoint;

use super::debugfs;

/// Counts the calls of a kernel function by this thread, until this is dropped.
///
/// The event is the tracepoint `ftrace:function`, for which perf registers its own ftrace ops.
pub struct Calls(Counter);

impl Calls {
    /// Begins to count the calls of `function`.
    ///
    /// # Errors
    ///
    /// The kernel refuses, as it does for a function that it does not know.
    pub fn new(function: &str) -> Result<Self> {
        let id = debugfs::value("/sys/kernel/tracing/events/ftrace/function/id")?;
        let target = (Proc::CURRENT, Cpu::ALL);
        let counter = Counter::new(Tracepoint { id }, target, Opts::default())
            .context("cannot open a perf event")?;
        let filter = CString::new(format!("ip == {function}"))?;
        counter
            .with_ftrace_filter(&filter)
            .with_context(|| format!("perf takes no filter {filter:?}"))?;
        counter.enable().context("cannot enable a perf event")?;
        Ok(Self(counter))
    }

    /// Returns how many calls there were.
    ///
    /// # Errors
    ///
    /// The event cannot be read.
    pub fn count(&self) -> Result<u64> {
        let stat = self.0.stat().context("cannot read a perf event")?;
        Ok(stat.count)
    }
}
