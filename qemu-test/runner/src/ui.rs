// SPDX-License-Identifier: GPL-2.0

//! Prints for the user: results to stdout, progress to stderr.

use std::io::{stderr, stdout, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The user's terminal. If stderr is a terminal, the current step is shown as a spinner with the
/// time since its start. Otherwise it is a plain line.
#[derive(Clone, Debug)]
pub struct Ui {
    bar: Option<ProgressBar>,
    /// Whether nothing is shown at all.
    is_silent: bool,
}

impl Ui {
    /// Returns an output for this process's stdout and stderr.
    pub fn new() -> Self {
        Self {
            bar: stderr().is_terminal().then(bar),
            is_silent: false,
        }
    }

    /// Returns an output that shows nothing.
    pub fn silent() -> Self {
        Self {
            bar: None,
            is_silent: true,
        }
    }

    /// Shows the current step.
    pub fn step(&self, what: &str) {
        match &self.bar {
            Some(bar) => {
                // The spinner may have been removed before.
                bar.reset();
                bar.set_message(what.to_owned());
                bar.enable_steady_tick(Duration::from_millis(100));
            }
            None if self.is_silent => {}
            None => eprintln!("{what}"),
        }
    }

    /// Shows the progress of the current step, if there is a terminal.
    pub fn step_quietly(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
        }
    }

    /// Prints a line (or several) of results to stdout.
    pub fn print(&self, text: &str) {
        self.above(|| print_line(text));
    }

    /// Prints bytes to stdout as they are.
    pub fn relay(&self, bytes: &[u8]) {
        self.above(|| {
            let mut out = stdout();
            let _ = out.write_all(bytes).and_then(|()| out.flush());
        });
    }

    /// Prints a line to stderr.
    pub fn note(&self, text: &str) {
        self.above(|| eprintln!("{text}"));
    }

    /// Removes the spinner.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.disable_steady_tick();
            bar.finish_and_clear();
        }
    }

    fn above(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None if self.is_silent => {}
            None => print(),
        }
    }
}

impl Default for Ui {
    fn default() -> Self {
        Self::new()
    }
}

/// Prints a line to stdout. There must be no spinner.
pub fn print_line(text: &str) {
    // `println!` would panic if stdout is a closed pipe (`| head`). The error is ignored, because
    // the exit status has the verdict, too.
    let _ = writeln!(stdout(), "{text}");
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar
}
