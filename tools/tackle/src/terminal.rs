// SPDX-License-Identifier: GPL-2.0

//! Pictures that change, on a terminal.

use std::time::Duration;

use anyhow::Result;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;

/// Draws `what`, with what `next` makes of it each `interval`, until the user has seen enough.
///
/// # Errors
/// Those of `next`, and when the terminal cannot be used.
pub fn show<T>(
    interval: Duration,
    mut what: T,
    draw: impl Fn(&mut Frame<'_>, &T),
    mut next: impl FnMut(&T) -> Result<T>,
) -> Result<()> {
    let mut terminal = ratatui::try_init()?;
    let mut show = || -> Result<()> {
        loop {
            terminal.draw(|frame| draw(frame, &what))?;
            if ends(interval)? {
                return Ok(());
            }
            what = next(&what)?;
        }
    };
    let shown = show();
    ratatui::try_restore()?;
    shown
}

/// Waits for the next time to draw, or for the user to end it.
fn ends(interval: Duration) -> Result<bool> {
    if !event::poll(interval)? {
        return Ok(false);
    }
    let Event::Key(KeyEvent {
        code, modifiers, ..
    }) = event::read()?
    else {
        return Ok(false);
    };
    let interrupts = modifiers.contains(KeyModifiers::CONTROL) && code == KeyCode::Char('c');
    Ok(interrupts || matches!(code, KeyCode::Char('q') | KeyCode::Esc))
}
