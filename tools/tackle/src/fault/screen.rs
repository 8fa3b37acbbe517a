// SPDX-License-Identifier: GPL-2.0

//! Shows the progress of a campaign as a progress bar on a terminal. Ctrl-C stops the campaign.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::campaign::Watcher;
use super::names::readable;
use super::state::State;

/// A progress bar on stderr. It is hidden if stderr is no terminal.
#[derive(Debug)]
pub struct Screen {
    bar: ProgressBar,
    stop: Arc<AtomicBool>,
    deadline: Option<Instant>,
}

impl Screen {
    /// Returns the bar of a campaign that stops at a signal or after `limit`.
    ///
    /// # Errors
    /// Returns an error if a signal handler cannot be registered.
    pub fn new(limit: Option<Duration>) -> Result<Self> {
        let bar = ProgressBar::new(0);
        let style = "[{bar:24}] {pos}/{len} faults, {per_sec}, {eta} left  {wide_msg}";
        let style = ProgressStyle::with_template(style);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&stop))
                .context("cannot catch signals")?;
        }
        Ok(Self {
            bar,
            stop,
            deadline: limit.map(|limit| Instant::now() + limit),
        })
    }
}

impl Watcher for Screen {
    fn seen(&self, state: &State, doing: &str) {
        let (done, all) = state.count();
        // The injections of an earlier run must not count for the rate.
        if self.bar.length() == Some(0) {
            self.bar.reset_eta();
        }
        self.bar.set_length(all as u64);
        self.bar.set_position(done as u64);
        self.bar.set_message(readable(doing));
    }

    fn stops(&self) -> bool {
        let is_late = self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline);
        is_late || self.stop.load(Ordering::Relaxed)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
