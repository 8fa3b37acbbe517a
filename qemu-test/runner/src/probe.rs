// SPDX-License-Identifier: GPL-2.0

//! Chooses KVM or TCG by booting a guest. On nested and paravirtual hosts, a guest can fail under
//! KVM although `/dev/kvm` exists.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::accel::Accel;
use crate::boot::Booter;
use crate::follow::{Collect, End, Limits};
use crate::interrupt::Interrupt;
use crate::kernel::Kernel;
use crate::qemu::version;
use crate::rundir::replace;

/// The time limit of the probe's boot. Under KVM, the boot takes two or three seconds.
const LIMIT: Duration = Duration::from_secs(15);

/// The line that the guest's init prints for the argument `probe`.
const ANSWER: &[u8] = b"tackle: probe ok";

/// The result of the probe for this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What executes guests on this host.
    pub accel: Accel,
    /// Why this is not KVM, in a few words.
    pub why: Option<String>,
}

impl Choice {
    fn tcg(why: impl Into<String>) -> Self {
        Self {
            accel: Accel::Tcg,
            why: Some(why.into()),
        }
    }

    /// Returns the message for the user if the choice is not KVM.
    pub fn line(&self) -> Option<String> {
        self.why
            .as_ref()
            .map(|why| format!("kvm: {why}; using tcg"))
    }
}

/// The probe, which finds the accelerator that works.
pub struct Probe<'a> {
    /// The QEMU program.
    pub qemu: PathBuf,
    /// The device, `/dev/kvm`.
    pub device: &'a Path,
    /// The directory where the result is saved for later runs.
    pub cache: &'a Path,
    /// A directory for the probe's logs.
    pub scratch: &'a Path,
    /// Whether the user wants to stop.
    pub interrupt: &'a Interrupt,
}

impl Probe<'_> {
    /// Returns the accelerator for guests on this host. The result of a boot stays valid until the
    /// host or QEMU changes.
    ///
    /// # Errors
    /// Fails when QEMU cannot be run at all, a file cannot be written, or the user interrupts.
    pub fn choose(&self, kernel: &Kernel) -> Result<Choice> {
        let version = version(&self.qemu)?;
        if let Err(error) = OpenOptions::new().read(true).write(true).open(self.device) {
            return Ok(Choice::tcg(format!("{}: {error}", self.device.display())));
        }
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let key = format!("{} {version}", boot_id.trim());
        let path = self.cache.join("accel");
        if let Some(choice) = fs::read_to_string(&path)
            .ok()
            .and_then(|text| recall(&text, &key))
        {
            return Ok(choice);
        }
        let choice = self.boot(kernel)?;
        let why = choice.why.as_deref().unwrap_or_default();
        replace(&path, &format!("{key}\n{why}\n"))?;
        Ok(choice)
    }

    fn boot(&self, kernel: &Kernel) -> Result<Choice> {
        let limits = Limits {
            silence: LIMIT,
            silence_in_test: LIMIT,
            total: LIMIT,
        };
        let booter = Booter {
            qemu: self.qemu.clone(),
            accel: Accel::Kvm,
            limits,
            rounds: None,
            templates: None,
            interrupt: self.interrupt,
        };
        let mut console = Collect::default();
        let (end, stderr) = booter.boot(kernel, "probe", self.scratch, &mut console)?;
        let answered = console
            .0
            .windows(ANSWER.len())
            .any(|window| window == ANSWER);
        Ok(match end {
            End::Exited(status) if status.success() && answered => Choice {
                accel: Accel::Kvm,
                why: None,
            },
            End::Exited(status) if status.success() => Choice::tcg("a guest ended while it booted"),
            End::Exited(status) => {
                let message = stderr
                    .lines()
                    .last()
                    .map(|line| format!(" ({})", line.trim()));
                Choice::tcg(format!(
                    "qemu ended with {status}{}",
                    message.unwrap_or_default()
                ))
            }
            End::Silent(limit) | End::TimedOut(limit) => {
                Choice::tcg(format!("a guest did not come up in {} s", limit.as_secs()))
            }
            End::Stuck | End::Over => Choice::tcg("a guest died while it booted"),
        })
    }
}

/// Returns the saved result, if `key`, which identifies the host and QEMU, is the same.
fn recall(text: &str, key: &str) -> Option<Choice> {
    let (first, why) = text.split_once('\n')?;
    if first != key {
        return None;
    }
    Some(match why.trim_end() {
        "" => Choice {
            accel: Accel::Kvm,
            why: None,
        },
        why => Choice::tcg(why),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remembered_answer_needs_the_same_circumstances() {
        assert_eq!(
            recall("key\n\n", "key").map(|choice| choice.accel),
            Some(Accel::Kvm)
        );
        assert_eq!(
            recall("key\nno luck\n", "key"),
            Some(Choice::tcg("no luck"))
        );
        assert_eq!(recall("key\nno luck\n", "other"), None);
        assert_eq!(recall("", "key"), None);
    }
}
