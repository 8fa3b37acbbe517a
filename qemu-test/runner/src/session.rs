// SPDX-License-Identifier: GPL-2.0

//! What all parts of one run share.

use std::env;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::accel::Accel;
use crate::boot::Booter;
use crate::follow::Limits;
use crate::interrupt::Interrupt;
use crate::kernel::Kernel;
use crate::qemu::PROGRAM;
use crate::rundir::RunDir;
use crate::template::Templates;
use crate::ui::Ui;

/// What a boot may take in all: several times what the longest suite takes. What hangs is
/// ended by its silence long before; this ends what goes around in circles.
const TOTAL: Duration = Duration::from_secs(3600);

/// What each round that was asked for may add to that.
const ROUND: Duration = Duration::from_secs(10);

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
    /// Where guests start from, if they are not to boot.
    pub templates: Option<Templates>,
}

impl Session {
    /// What boots `kernel` on `accel`; `rounds` as in [`Booter::rounds`].
    ///
    /// # Errors
    /// When the kernel's config cannot be read.
    pub fn booter(&self, accel: Accel, kernel: &Kernel, rounds: Option<u32>) -> Result<Booter<'_>> {
        Ok(Booter {
            qemu: PROGRAM.into(),
            accel,
            limits: self.wishes.limits(accel, kernel, rounds)?,
            rounds,
            templates: self.templates.as_ref(),
            interrupt: &self.interrupt,
        })
    }
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

    /// The limits for one boot of `kernel`: 30 s (KVM, UML) or 120 s (TCG, and where a clock
    /// leaps) of silence, four times that with KASAN, which makes all code slower, and 3600 s
    /// in all, unless the user has set others. Each of the `rounds` that were asked for has
    /// 10 s more in all, or four times that, whoever set the limit.
    ///
    /// # Errors
    /// When the kernel's config cannot be read.
    pub fn limits(&self, accel: Accel, kernel: &Kernel, rounds: Option<u32>) -> Result<Limits> {
        let slow = if kernel.has("CONFIG_KASAN")? { 4 } else { 1 };
        let quiet = Duration::from_secs(match accel {
            Accel::Kvm | Accel::Uml => 30,
            Accel::Tcg | Accel::TcgInTurn | Accel::Icount | Accel::Clocked | Accel::TimeTravel => {
                120
            }
        });
        let silence = self.silence.unwrap_or(quiet * slow);
        let total = self.total.unwrap_or(TOTAL);
        Ok(Limits {
            silence,
            silence_in_test: silence,
            total: total + ROUND * slow * rounds.unwrap_or(0),
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(wishes: Wishes, config: &str, rounds: Option<u32>) -> (u64, u64) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config"), config).unwrap();
        let kernel = Kernel {
            name: "k".into(),
            dir: dir.path().to_owned(),
        };
        let limits = wishes.limits(Accel::Tcg, &kernel, rounds).unwrap();
        assert_eq!(limits.silence, limits.silence_in_test);
        (limits.silence.as_secs(), limits.total.as_secs())
    }

    #[test]
    fn a_kernel_with_checkers_has_more_time() {
        let none = Wishes::default();
        assert_eq!(limits(none, "CONFIG_KUNIT=y\n", None), (120, 3600));
        assert_eq!(limits(none, "CONFIG_KASAN=y\n", None), (480, 3600));
        assert_eq!(limits(none, "CONFIG_KASAN=y\n", Some(1000)), (480, 43600));
        assert_eq!(limits(none, "", Some(1000)), (120, 13600));
    }

    #[test]
    fn a_wish_is_taken_as_it_is() {
        let wishes = Wishes {
            silence: Some(Duration::from_secs(7)),
            total: Some(Duration::from_secs(50)),
        };
        assert_eq!(limits(wishes, "CONFIG_KASAN=y\n", None), (7, 50));
        assert_eq!(limits(wishes, "", Some(2)), (7, 70));
    }
}
