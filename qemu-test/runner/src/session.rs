// SPDX-License-Identifier: GPL-2.0

//! Holds what all parts of one run share: the terminal, the directory for logs, limits and
//! templates.

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

/// The limit for the total time of a guest: several times the time of the longest suite. A guest
/// that hangs is ended much earlier, because it prints nothing. This limit ends a guest that
/// repeats something without end.
const TOTAL: Duration = Duration::from_secs(3600);

/// The time that is added to the limit for each round of a suite.
const ROUND: Duration = Duration::from_secs(10);

/// One run of the program.
pub struct Session {
    /// Whether the user wants to stop.
    pub interrupt: Interrupt,
    /// The terminal.
    pub ui: Ui,
    /// The directory for logs and results.
    pub dir: RunDir,
    /// The limits that environment variables set.
    pub wishes: Wishes,
    /// The templates to start guests from; `None` if each guest boots.
    pub templates: Option<Templates>,
}

impl Session {
    /// Returns the booter for guests of `kernel` on `accel`; see [`Booter::rounds`] for `rounds`.
    ///
    /// # Errors
    /// Fails when the kernel's config cannot be read.
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

/// The limits that the user has set. Otherwise there are defaults, which depend on the accelerator.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// `TACKLE_SILENCE`, in seconds.
    pub silence: Option<Duration>,
    /// `TACKLE_LIMIT`, in seconds.
    pub total: Option<Duration>,
}

impl Wishes {
    /// Reads the environment variables.
    ///
    /// # Errors
    /// Fails when a variable is not a whole number of seconds, or is 0.
    pub fn from_env() -> Result<Self> {
        Ok(Self {
            silence: seconds("TACKLE_SILENCE")?,
            total: seconds("TACKLE_LIMIT")?,
        })
    }

    /// Returns the limits for one boot of `kernel`. The default limit of silence is 30 s with KVM
    /// and UML, and 120 s with TCG and where the clock jumps ahead. With KASAN, which slows down
    /// all code, it is four times as long. The default limit of the total time is 3600 s, and
    /// 14400 s for [`Accel::Clocked`]: its benchmark takes an hour on an idle host. Each of the
    /// `rounds` adds 10 s to the total time, or 40 s with KASAN, also if the user has set the
    /// limit.
    ///
    /// # Errors
    /// Fails when the kernel's config cannot be read.
    pub fn limits(&self, accel: Accel, kernel: &Kernel, rounds: Option<u32>) -> Result<Limits> {
        let slow = if kernel.has("CONFIG_KASAN")? { 4 } else { 1 };
        let quiet = Duration::from_secs(match accel {
            Accel::Kvm | Accel::Uml => 30,
            Accel::Tcg | Accel::TcgInTurn | Accel::Icount | Accel::Clocked | Accel::TimeTravel => {
                120
            }
        });
        let silence = self.silence.unwrap_or(quiet * slow);
        let total = self.total.unwrap_or(match accel {
            Accel::Clocked => 4 * TOTAL,
            _ => TOTAL,
        });
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
