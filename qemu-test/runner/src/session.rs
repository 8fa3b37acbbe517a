// SPDX-License-Identifier: GPL-2.0

//! What all parts of one run share.

use std::env;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::follow::Limits;
use crate::interrupt::Interrupt;
use crate::qemu::Accel;
use crate::rundir::RunDir;
use crate::ui::Ui;

/// One run of the program.
pub struct Session {
    /// Whether the user wants to stop.
    pub interrupt: Interrupt,
    /// The terminal.
    pub ui: Ui,
    /// Logs and results.
    pub dir: RunDir,
    /// Limits from the environment.
    pub wishes: Wishes,
}

/// Limits that the user has set; the defaults depend on the accelerator.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// `TACKLE_SILENCE`, in seconds.
    pub silence: Option<Duration>,
    /// `TACKLE_LIMIT`, in seconds.
    pub total: Option<Duration>,
}

impl Wishes {
    /// Reads the environment.
    ///
    /// # Errors
    /// When a variable is set to something other than a whole number of seconds from 1.
    pub fn from_env() -> Result<Self> {
        Ok(Self {
            silence: seconds("TACKLE_SILENCE")?,
            total: seconds("TACKLE_LIMIT")?,
        })
    }

    /// The limits for one boot: 30 s (KVM, UML) or 120 s (TCG) of silence and 900 s
    /// in all, unless the user has set others.
    pub fn limits(&self, accel: Accel) -> Limits {
        let silence = self.silence.unwrap_or(Duration::from_secs(match accel {
            Accel::Kvm | Accel::Uml => 30,
            Accel::Tcg | Accel::TcgInTurn | Accel::Icount => 120,
        }));
        let total = self.total.unwrap_or(Duration::from_secs(900));
        Limits {
            silence,
            silence_in_test: silence,
            total,
        }
    }
}

fn seconds(name: &str) -> Result<Option<Duration>> {
    let Some(text) = env::var_os(name) else {
        return Ok(None);
    };
    let number = text
        .to_str()
        .and_then(|text| text.parse().ok())
        .filter(|number| *number > 0);
    let number =
        number.with_context(|| format!("{name} is not a whole number of seconds from 1"))?;
    Ok(Some(Duration::from_secs(number)))
}
