// SPDX-License-Identifier: GPL-2.0

//! Implements `tackle patch enable`, `disable` and `wait`: enables and disables live patches.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use nix::errno::Errno;

use super::file::{loaded_build_id, lockdown, About};
use super::modules::{Modules, Source};
use super::progress::Watcher;
use super::transition::{wait, End, Wishes};
use super::{Patch, Patches};
use crate::files;

/// The minimum time limit of a reversed transition. The kernel checks the tasks only once a
/// second.
const BACK: Duration = Duration::from_secs(60);

/// How long the livepatch core may hold a reference to the module of a disabled patch.
const LETS_GO: Duration = Duration::from_secs(10);

/// The maximum number of tasks in the text of an error.
const NAMED: usize = 8;

/// A loaded module without a patch in the kernel's list.
enum Loaded {
    /// A live patch that is disabled.
    Disabled,
    /// The module is no live patch.
    Other,
}

/// The parameters of a change of live patches.
#[derive(Clone, Copy)]
pub struct Change<'a> {
    /// The live patches of the kernel.
    pub patches: &'a Patches<'a>,
    /// Loads and unloads modules.
    pub modules: &'a dyn Modules,
    /// Shows the progress.
    pub watch: &'a dyn Watcher,
    /// The limits of the wait.
    pub wishes: Wishes,
}

impl Change<'_> {
    /// Enables a patch: loads it, or reverses the transition that disables it. If `waits` is
    /// false, this returns when the transition has begun. Returns a line for the user.
    ///
    /// # Errors
    /// Returns an error if the module cannot be loaded or is no live patch, or if another patch is
    /// in transition. Also returns an error if the time limit passes; then the patch has been
    /// disabled again and unloaded.
    pub fn enable(&self, source: &Source, waits: bool) -> Result<String> {
        let name = source.name()?;
        // The kernel lists a disabled patch for a short time before it removes the patch.
        let known = self.patches.find(&name)?;
        match known.filter(|patch| patch.enabled || patch.transition) {
            Some(patch) if !patch.transition => {
                self.expect_same_build(source, &name)?;
                return Ok(format!("{name} was in force already"));
            }
            Some(patch) if patch.enabled => {}
            Some(_) => self.set(&name, true)?,
            None => self.load(source, &name)?,
        }
        if !waits {
            return Ok(format!("{name} is coming into force"));
        }
        match self.wait(&name)? {
            End::InForce => Ok(format!("{name} is in force")),
            End::OutOfForce => bail!("{name} was disabled meanwhile"),
            End::TimedOut(left) => {
                if self.back(&name, false)? == End::InForce {
                    bail!("{name} was enabled again meanwhile");
                }
                self.unload(source, &name)?;
                bail!(
                    "{name} was not in force {}; {name} is out again",
                    self.late(&left)
                )
            }
        }
    }

    /// Disables a patch. Its module stays loaded. If the patch is disabled already, nothing
    /// changes. `waits` and the result are as in [`enable`](Self::enable).
    ///
    /// # Errors
    /// Returns an error if there is no such patch, or if another patch is in transition. Also
    /// returns an error if the time limit passes; then the patch has been enabled again.
    pub fn disable(&self, name: &str, waits: bool) -> Result<String> {
        let Some(patch) = self.patches.find(name)? else {
            return match self.loaded(name)? {
                Some(Loaded::Disabled) => Ok(format!(
                    "{name} was out of force already; its module is loaded"
                )),
                Some(Loaded::Other) => {
                    bail!("the module {name} is loaded, and is no live patch")
                }
                None => Err(self.patches.unknown(name)?),
            };
        };
        if patch.enabled {
            self.set(name, false)?;
        }
        if !waits {
            return Ok(format!("{name} is going out of force"));
        }
        match self.wait(name)? {
            End::OutOfForce => Ok(format!("{name} is out of force")),
            End::InForce => bail!("{name} was enabled again meanwhile"),
            End::TimedOut(left) => match self.back(name, true)? {
                End::InForce => bail!(
                    "{name} was not out of force {}; it is in force as before",
                    self.late(&left)
                ),
                // The transition ended before it could be reversed.
                _ => Ok(format!("{name} is out of force")),
            },
        }
    }

    /// Waits for the transition of the patch `name`, or of any patch without a name. Changes
    /// nothing. The result is as in [`enable`](Self::enable).
    ///
    /// # Errors
    /// Returns an error if there is no such patch, or if the time limit passes.
    pub fn wait_for(&self, name: Option<&str>) -> Result<String> {
        let name = match name {
            Some(name) => self.patches.get(name)?.name,
            None => match self.patches.in_transition()? {
                Some(patch) => patch.name,
                None => return Ok("no live patch is in transition".into()),
            },
        };
        match self.wait(&name)? {
            End::InForce => Ok(format!("{name} is in force")),
            End::OutOfForce => Ok(format!("{name} is out of force")),
            End::TimedOut(left) => bail!("{name} is still in transition {}", self.late(&left)),
        }
    }

    fn wait(&self, name: &str) -> Result<End> {
        wait(self.patches, name, self.wishes, self.watch)
    }

    /// Reverses a transition that did not end in time, and returns how it ended. If the transition
    /// has ended by now, an enabled patch is disabled again, but a disabled one stays disabled.
    fn back(&self, name: &str, enabled: bool) -> Result<End> {
        if let Err(error) = self.patches.set_enabled(name, enabled) {
            let patch = self.patches.find(name)?;
            if patch.is_some_and(|patch| patch.transition) {
                return Err(error).with_context(|| format!("cannot turn {name} round"));
            }
        }
        let wishes = Wishes {
            timeout: self.wishes.timeout.map(|limit| limit.max(BACK)),
            ..self.wishes
        };
        let change = Change { wishes, ..*self };
        match change.wait(name)? {
            End::TimedOut(left) => bail!("cannot turn {name} round {}", change.late(&left)),
            end => Ok(end),
        }
    }

    /// Returns how much time has passed, and the tasks that hold the transition up.
    fn late(&self, left: &[String]) -> String {
        let seconds = self.wishes.timeout.unwrap_or_default().as_secs_f64();
        let more = match left.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        match &left[..left.len().min(NAMED)] {
            [] => format!("after {seconds} s, held up by a processor's idle task"),
            left => format!("after {seconds} s, held up by {}{more}", left.join("; ")),
        }
    }

    fn set(&self, name: &str, enabled: bool) -> Result<()> {
        let Err(error) = self.patches.set_enabled(name, enabled) else {
            return Ok(());
        };
        let errno = error.raw_os_error().map(Errno::from_raw);
        if let (Some(Errno::EBUSY), Some(other)) = (errno, self.patches.in_transition()?) {
            return Err(busy(&other));
        }
        let verb = if enabled { "enable" } else { "disable" };
        Err(error).with_context(|| format!("cannot {verb} {name}"))
    }

    fn load(&self, source: &Source, name: &str) -> Result<()> {
        if let Some(other) = self.patches.in_transition()? {
            return Err(busy(&other));
        }
        match self.loaded(name)? {
            None => {}
            Some(Loaded::Other) => bail!("the module {name} is loaded, and is no live patch"),
            // The kernel cannot enable a disabled patch again, so its module must be loaded again.
            Some(Loaded::Disabled) => {
                let found = self.modules.find(source);
                found.with_context(|| format!("{name} is disabled and cannot be loaded again"))?;
                self.unload(source, name)?;
            }
        }
        self.modules
            .load(source)
            .map_err(|error| match lockdown(self.patches.roots) {
                Some(mode) => error.context(format!(
                    "the kernel is locked down ({mode}): it loads modules that are signed with a \
                     key that it knows, and no others"
                )),
                None => error,
            })?;
        if self.patches.find(name)?.is_none() {
            self.unload(source, name)?;
            bail!("the module {name} is no live patch");
        }
        Ok(())
    }

    /// Checks that a file is the loaded module, if both have a build ID.
    fn expect_same_build(&self, source: &Source, name: &str) -> Result<()> {
        let Source::File(path) = source else {
            return Ok(());
        };
        let loaded = loaded_build_id(self.patches.roots, name);
        match (About::read(path).build_id, loaded) {
            (Some(file), Some(loaded)) if file != loaded => bail!(
                "another build of {name} is in force: disable that first (tackle patch disable \
                 {name}), or give this one another name and replace it"
            ),
            _ => Ok(()),
        }
    }

    /// Returns what the loaded module `name` is, if the kernel's list has no patch of it.
    fn loaded(&self, name: &str) -> Result<Option<Loaded>> {
        let module = self.patches.roots.module(name);
        if !module.join("initstate").exists() {
            return Ok(None);
        }
        // The kernel sets the taint flag K for live patches.
        let taint = files::read(&module.join("taint"))?.unwrap_or_default();
        Ok(Some(if taint.contains('K') {
            Loaded::Disabled
        } else {
            Loaded::Other
        }))
    }

    /// Unloads a module, if it is loaded.
    fn unload(&self, source: &Source, name: &str) -> Result<()> {
        let refcnt = self.patches.roots.module(name).join("refcnt");
        let start = Instant::now();
        loop {
            match files::value::<i32>(&refcnt)? {
                None => return Ok(()),
                // The livepatch core drops its reference shortly after it has removed the patch's
                // folder.
                Some(1..) if start.elapsed() < LETS_GO => sleep(Duration::from_millis(50)),
                Some(_) => break,
            }
        }
        let unloaded = self.modules.unload(source);
        unloaded.with_context(|| format!("cannot unload {name}"))
    }
}

fn busy(other: &Patch) -> anyhow::Error {
    let name = &other.name;
    anyhow::anyhow!(
        "{name} is in transition, and only one patch can be (EBUSY): tackle patch wait {name}"
    )
}
