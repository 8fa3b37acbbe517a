// SPDX-License-Identifier: GPL-2.0

//! Shows a full-screen view on a terminal, which is redrawn at an interval.

use std::time::{Duration, Instant};

use anyhow::Result;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;

/// Draws `what`, and replaces it by the result of `next` after each `interval`. Returns when the
/// user presses q, Escape or Ctrl-C.
///
/// # Errors
/// Returns the errors of `next`, and an error if the terminal cannot be used.
pub fn show<T>(
    interval: Duration,
    what: T,
    draw: impl Fn(&mut Frame<'_>, &T),
    next: impl FnMut(&T) -> Result<T>,
) -> Result<()> {
    show_with_keys(interval, what, draw, next, |_, _| ())
}

/// Works like [`show`], and calls `key` for each key that the user presses. `key` can change what
/// is shown.
///
/// # Errors
/// Returns the errors of [`show`].
pub fn show_with_keys<T>(
    interval: Duration,
    mut what: T,
    draw: impl Fn(&mut Frame<'_>, &T),
    mut next: impl FnMut(&T) -> Result<T>,
    key: impl Fn(&mut T, KeyCode),
) -> Result<()> {
    let mut terminal = ratatui::try_init()?;
    let mut show = || -> Result<()> {
        loop {
            let end = Instant::now() + interval;
            loop {
                terminal.draw(|frame| draw(frame, &what))?;
                match wait(end)? {
                    Wait::Over => break,
                    Wait::End => return Ok(()),
                    Wait::Key(code) => key(&mut what, code),
                    Wait::Other => {}
                }
            }
            what = next(&what)?;
        }
    };
    let shown = show();
    ratatui::try_restore()?;
    shown
}

/// What ended the wait.
enum Wait {
    /// The interval is over.
    Over,
    /// The user wants to end the program.
    End,
    /// The user pressed a key.
    Key(KeyCode),
    /// Another event that requires a redraw, such as a new size of the terminal.
    Other,
}

/// Waits for an event of the terminal until `end`.
fn wait(end: Instant) -> Result<Wait> {
    if !event::poll(end.saturating_duration_since(Instant::now()))? {
        return Ok(Wait::Over);
    }
    let Event::Key(KeyEvent {
        code, modifiers, ..
    }) = event::read()?
    else {
        return Ok(Wait::Other);
    };
    let interrupts = modifiers.contains(KeyModifiers::CONTROL) && code == KeyCode::Char('c');
    if interrupts || matches!(code, KeyCode::Char('q') | KeyCode::Esc) {
        return Ok(Wait::End);
    }
    Ok(Wait::Key(code))
}
