// SPDX-License-Identifier: GPL-2.0

//! Implements the command `shell`: the guest's console on the user's terminal.

use std::io::stdin;
use std::thread::sleep;

use anyhow::{bail, Context, Result};
use nix::sys::termios::{tcgetattr, tcsetattr, SetArg, Termios};
use terminal_size::{terminal_size, Height, Width};

use crate::boot::Booter;
use crate::kernel::Kernel;
use crate::process::POLL;
use crate::qemu::Console;
use crate::session::Session;
use crate::work::Work;

/// Restores the terminal's settings when it is dropped. QEMU sets the terminal to raw mode, and
/// does not restore the settings when it is killed.
struct Terminal(Option<Termios>);

impl Terminal {
    fn save() -> Self {
        Self(tcgetattr(stdin()).ok())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(settings) = &self.0 {
            // An error cannot be handled here.
            let _ = tcsetattr(stdin(), SetArg::TCSANOW, settings);
        }
    }
}

/// Boots `kernel` and waits without a time limit until the guest has powered off.
///
/// # Errors
/// Fails when QEMU cannot be started or fails, or a signal comes.
pub fn run(session: &Session, booter: &Booter<'_>, kernel: &Kernel) -> Result<()> {
    let dir = session.dir.subdir(format!("{}/shell", kernel.name))?;
    let size = terminal_size().map(|(Width(columns), Height(rows))| (rows, columns));
    let work = Work {
        terminal: size,
        ..Work::new("shell")
    };
    session.ui.note(&format!(
        "booting {} ({}); leave with exit or ctrl-d",
        kernel.name,
        booter.accel.name()
    ));
    // Values are dropped in reverse order, so QEMU ends before the terminal is restored.
    let _terminal = Terminal::save();
    let mut guest = booter.start(booter.shape(kernel), &work, &dir, Console::Terminal)?;
    loop {
        session.interrupt.check()?;
        if let Some(status) = guest.child().try_wait().context("cannot wait for QEMU")? {
            if !status.success() {
                bail!("qemu ended with {status}");
            }
            return Ok(());
        }
        sleep(POLL);
    }
}
