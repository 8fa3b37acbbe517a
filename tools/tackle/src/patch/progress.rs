// SPDX-License-Identifier: GPL-2.0

//! Shows the progress of a transition to the user.

use indicatif::{ProgressBar, ProgressStyle};

use super::tasks::Census;
use super::Patch;

/// Receives the progress of a transition.
pub trait Watcher {
    /// Shows the tasks of a transition that is under way.
    fn seen(&self, patch: &Patch, census: &Census);

    /// Prints a message.
    fn note(&self, line: &str);
}

/// A progress bar and messages on stderr. The bar is hidden if stderr is no terminal.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Returns a bar that is drawn only when there is progress to show.
    pub fn new() -> Self {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} tasks, {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl Watcher for Progress {
    fn seen(&self, patch: &Patch, census: &Census) {
        let verb = if patch.enabled {
            "patching"
        } else {
            "unpatching"
        };
        self.0.set_message(format!("{}: {verb}", patch.name));
        self.0.set_length(census.total as u64);
        self.0
            .set_position((census.total - census.left.len()) as u64);
    }

    fn note(&self, line: &str) {
        self.0.suspend(|| eprintln!("{line}"));
    }
}
