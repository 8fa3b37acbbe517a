// SPDX-License-Identifier: GPL-2.0

//! Kprobes that count, as events of tracefs.

use anyhow::{Context, Result};

use super::debugfs;

const TRACING: &str = "/sys/kernel/tracing";
const EVENT: &str = "tackle/beside";

/// A kprobe, until the value goes away. There can be one such at a time.
pub struct Kprobe(());

impl Kprobe {
    /// Puts it at `place`: a symbol, as `MODULE:SYMBOL` when that is in a module.
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

    /// How often it was hit.
    ///
    /// # Errors
    ///
    /// tracefs has no number for it.
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
