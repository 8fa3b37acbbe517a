// SPDX-License-Identifier: GPL-2.0

//! Implements kprobes that count, as events of tracefs.

use anyhow::{Context, Result};

use super::debugfs;

const TRACING: &str = "/sys/kernel/tracing";
const EVENT: &str = "tackle/beside";

/// A kprobe, which is removed when this is dropped. There can be one at a time.
pub struct Kprobe(());

impl Kprobe {
    /// Adds a kprobe at `place`: a symbol, or `MODULE:SYMBOL` for a symbol of a module.
    ///
    /// # Errors
    ///
    /// tracefs refuses.
    pub fn new(place: &str) -> Result<Self> {
        let definition = format!("p:{EVENT} {place}");
        debugfs::set(format!("{TRACING}/kprobe_events"), &definition)?;
        let kprobe = Self(());
        kprobe.enable(true)?;
        Ok(kprobe)
    }

    fn enable(&self, on: bool) -> Result<()> {
        let file = format!("{TRACING}/events/{EVENT}/enable");
        debugfs::set(file, if on { "1" } else { "0" })
    }

    /// Returns how often the kprobe was hit.
    ///
    /// # Errors
    ///
    /// tracefs has no count for the kprobe.
    pub fn hits(&self) -> Result<u64> {
        let profile = debugfs::read(format!("{TRACING}/kprobe_profile"))?;
        let hits = profile.split_whitespace().nth(1);
        hits.and_then(|hits| hits.parse().ok())
            .with_context(|| format!("no hits in '{profile}'"))
    }
}

impl Drop for Kprobe {
    fn drop(&mut self) {
        let events = format!("{TRACING}/kprobe_events");
        let gone = self
            .enable(false)
            .and_then(|()| debugfs::set(events, &format!("-:{EVENT}")));
        if let Err(error) = gone {
            eprintln!("cannot remove a kprobe: {error:#}");
        }
    }
}
