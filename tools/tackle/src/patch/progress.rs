// SPDX-License-Identifier: GPL-2.0

//! What a user sees of a transition.

use indicatif::{ProgressBar, ProgressStyle};

use super::tasks::Census;
use super::Patch;

/// Somebody who watches a transition.
pub trait Watcher {
    /// A look at the tasks while it lasts.
    fn seen(&self, patch: &Patch, census: &Census);

    /// Something worth a line.
    fn note(&self, line: &str);
}

/// A bar on stderr, if that is a terminal; and lines.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar that is not there before there is something to see.
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
