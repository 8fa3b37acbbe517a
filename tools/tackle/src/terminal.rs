// SPDX-License-Identifier: GPL-2.0

//! Pictures that change, on a terminal.

use std::time::{Duration, Instant};

use anyhow::Result;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;

/// Draws `what`, with what `next` makes of it each `interval`, until the user has seen enough.
///
/// # Errors
/// Those of `next`, and when the terminal cannot be used.
pub fn show<T>(
    interval: Duration,
    what: T,
    draw: impl Fn(&mut Frame<'_>, &T),
    next: impl FnMut(&T) -> Result<T>,
) -> Result<()> {
    show_with_keys(interval, what, draw, next, |_, _| ())
}

/// The same, and `key` changes what is shown when the user presses one.
///
/// # Errors
/// As [`show`].
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
    /// The time is over.
    Over,
    /// The user wants to end the program.
    End,
    /// The user pressed a key.
    Key(KeyCode),
    /// Something else that calls for a new picture, such as a new size.
    Other,
}

/// Waits for the user until `end`.
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
