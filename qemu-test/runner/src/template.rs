// SPDX-License-Identifier: GPL-2.0

//! Implements templates: guests that were saved in the cache folder after they had booted. Later
//! guests of the same shape start from a template instead of booting.
//!
//! A template is a folder with the guest's state and the state's length. It is written under a
//! temporary name and then renamed, so it is either complete or absent. Its name has a hash of
//! everything that the state depends on.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{bail, ensure, Context, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest, Sha256};

use crate::accel::Accel;
use crate::console::Watch;
use crate::follow::{follow, End, Limits, Listener, Mood};
use crate::interrupt::{Interrupt, Interrupted};
use crate::monitor::Refused;
use crate::process::POLL;
use crate::qemu::{version, Console, Files, Shape};
use crate::tail::Lines;
use crate::ui::Ui;
use crate::vm::{Host, Vm};
use crate::work::READY;

/// The number of templates that are kept: the most recently used ones. A template takes 0.2 to 1
/// GB.
const KEPT: usize = 16;

/// The age from which unfinished templates are removed. Another run may still write a younger one.
const STALE: Duration = Duration::from_secs(3 * 3600);

/// The templates of a cache folder.
#[derive(Debug)]
pub struct Templates {
    dir: PathBuf,
    ui: Ui,
    /// What this run knows about each template, by its name. The thread that makes a template holds
    /// the lock of its entry.
    known: Mutex<HashMap<String, Arc<Mutex<Option<Found>>>>>,
    /// The messages that were printed for the user.
    told: Mutex<HashSet<String>>,
}

/// The path of a template's state, or `None` if the template cannot be made or used.
type Found = Option<PathBuf>;

impl Templates {
    /// Returns the templates in the folder `dir`, which need not exist.
    pub fn new(dir: PathBuf, ui: Ui) -> Self {
        Self {
            dir,
            ui,
            known: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// Returns the path of the saved state for guests of this shape. The state is made if it does
    /// not exist. `scratch` is a folder for the logs of the guest that is saved. Returns `None` if
    /// guests of this shape have to boot. The reason is printed once.
    ///
    /// # Errors
    /// Fails with [`Interrupted`](crate::interrupt::Interrupted) when the user interrupts.
    pub fn find(
        &self,
        host: &Host<'_>,
        shape: Shape<'_>,
        limits: &Limits,
        scratch: &Path,
    ) -> Result<Option<PathBuf>> {
        let shape = shape_of_template(shape);
        let outcome = self.name(host, &shape).and_then(|name| {
            let slot = self.slot(&name);
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            match &*slot {
                // Another run may have removed the state.
                Some(Some(state)) if !state.exists() => {}
                Some(found) => return Ok(found.clone()),
                None => {}
            }
            let found = self.find_or_make(&name, host, shape, limits, scratch);
            *slot = Some(found.as_ref().ok().cloned());
            found.map(Some)
        });
        outcome.or_else(|error| {
            if error.is::<Interrupted>() {
                return Err(error);
            }
            self.tell(&shape, &error);
            Ok(None)
        })
    }

    /// Prints why a guest could not be started from a template. If QEMU refused the template
    /// itself, the template is removed, and this run starts no guest from it.
    pub fn discard(&self, shape: &Shape<'_>, state: &Path, error: &anyhow::Error) {
        self.tell(shape, error);
        let Some(folder) = state.parent().filter(|_| error.is::<Refused>()) else {
            return;
        };
        // If the folder cannot be removed, the next run will refuse it, too.
        let _ = fs::remove_dir_all(folder);
        if let Some(name) = folder.file_name() {
            let slot = self.slot(&name.to_string_lossy());
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(None);
        }
    }

    fn tell(&self, shape: &Shape<'_>, error: &anyhow::Error) {
        let line = format!(
            "template ({}): {error:#}; guests boot instead",
            shape.name()
        );
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(line.clone()) {
            self.ui.note(&line);
        }
    }

    fn slot(&self, name: &str) -> Arc<Mutex<Option<Found>>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(name.to_owned()).or_default().clone()
    }

    fn find_or_make(
        &self,
        name: &str,
        host: &Host<'_>,
        shape: Shape<'_>,
        limits: &Limits,
        scratch: &Path,
    ) -> Result<PathBuf> {
        let folder = self.dir.join(name);
        if let Some(state) = whole(&folder) {
            return Ok(state);
        }
        fs::create_dir_all(&self.dir)
            .with_context(|| format!("cannot make {}", self.dir.display()))?;
        let _lock = self.lock(name, &shape, host.interrupt)?;
        // Another run may have made the template while this run waited for the lock.
        if let Some(state) = whole(&folder) {
            return Ok(state);
        }
        if folder.exists() {
            let text = "the saved state is not whole; it is made again";
            self.ui
                .note(&format!("template ({}): {text}", shape.name()));
        }
        let start = Instant::now();
        self.ui
            .step(&format!("template ({}): booting", shape.name()));
        let partial = tempfile::Builder::new()
            .prefix(&format!("{name}.partial."))
            .tempdir_in(&self.dir)
            .with_context(|| format!("cannot make a folder in {}", self.dir.display()))?;
        let state = partial.path().join(STATE);
        make(host, shape, limits, scratch, &state)?;
        // Write the state to the disk before its length. Otherwise, a power cut could leave a state
        // of the right length with missing data.
        let length = File::open(&state)
            .and_then(|file| file.sync_all().map(|()| file))
            .and_then(|file| file.metadata())
            .context("the saved state")?
            .len();
        fs::write(partial.path().join(LENGTH), length.to_string())
            .context("cannot write the state's length")?;
        // Remove an incomplete template, if there is one.
        let _ = fs::remove_dir_all(&folder);
        fs::rename(partial.path(), &folder).context("cannot rename the template")?;
        // The folder has been renamed, so there is no temporary folder to remove.
        let _ = partial.keep();
        self.prune();
        self.ui.clear();
        self.ui.note(&format!(
            "template ({}): made, {:.0} s",
            shape.name(),
            start.elapsed().as_secs_f64()
        ));
        whole(&folder).context("the template is gone")
    }

    /// Waits for another run that makes the same template.
    fn lock(&self, name: &str, shape: &Shape<'_>, interrupt: &Interrupt) -> Result<Flock<File>> {
        let path = self.dir.join(format!("{name}.lock"));
        let mut file =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut told = false;
        loop {
            interrupt.check()?;
            file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(lock),
                Err((file, Errno::EWOULDBLOCK)) => file,
                Err((_, errno)) => bail!("cannot lock {}: {errno}", path.display()),
            };
            if !told {
                let text = "waiting for another run that makes it";
                self.ui
                    .step(&format!("template ({}): {text}", shape.name()));
                told = true;
            }
            std::thread::sleep(POLL);
        }
    }

    /// Removes the least recently used templates, and unfinished templates of runs that crashed.
    fn prune(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return;
        };
        let age = |path: &Path| {
            let time = fs::metadata(path.join(LENGTH)).or_else(|_| fs::metadata(path));
            let time = time.and_then(|data| data.modified());
            let age = |time| SystemTime::now().duration_since(time).unwrap_or_default();
            time.map_or(Duration::ZERO, age)
        };
        let paths = entries.flatten().map(|entry| entry.path());
        let (partial, mut all): (Vec<_>, Vec<_>) = paths
            .filter(|path| path.is_dir())
            .partition(|path| path.to_string_lossy().contains(".partial."));
        all.sort_by_key(|path| age(path));
        let stale = partial.into_iter().filter(|path| age(path) > STALE);
        for path in all.into_iter().skip(KEPT).chain(stale) {
            // A later run can remove what cannot be removed now.
            let _ = fs::remove_dir_all(&path);
            let _ = fs::remove_file(path.with_extension("lock"));
        }
    }

    /// Returns the template's name: the kernel's name, and a hash of everything that the guest's
    /// state depends on.
    fn name(&self, host: &Host<'_>, shape: &Shape<'_>) -> Result<String> {
        ensure!(
            shape.has_generation_id()?,
            "the kernel has no CONFIG_VMGENID, so restored guests would share random numbers"
        );
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update(text);
            hash.update([0]);
        };
        add(FORMAT);
        add(&version(&host.qemu)?);
        for word in shape.args()?.iter().chain(&shape.parameters()?) {
            add(word);
        }
        let kernel = shape.kernel;
        for path in [
            kernel.image(),
            kernel.initramfs(),
            kernel.root(),
            kernel.modules(),
        ] {
            add(&identity(&path)?);
        }
        // The guest has read the size of the payload's disk, but not yet its contents.
        add(&fs::metadata(&host.payload)
            .with_context(|| format!("cannot read {}", host.payload.display()))?
            .len()
            .to_string());
        if shape.accel == Accel::Kvm {
            add(&processor()?);
        }
        let hash = format!("{:x}", hash.finalize());
        let hash = &hash[..12];
        Ok(format!("{}-{hash}", kernel.name))
    }
}

/// A number in the hash for everything that a template depends on and that is not part of a shape:
/// the disks and serial lines of [`Machine`](crate::qemu::Machine), and the line that the guest
/// waits for. It has to be changed with any of these.
const FORMAT: &str = "1";

const STATE: &str = "state";
const LENGTH: &str = "length";

/// Returns the shape of the guest that is saved as a template for guests of `shape`. TCG with
/// several threads can restore a template that was made with one thread. Templates are made with
/// one thread, so that no CPU executes code that the booting kernel patches.
fn shape_of_template(shape: Shape<'_>) -> Shape<'_> {
    let accel = match shape.accel {
        Accel::Tcg => Accel::TcgInTurn,
        accel => accel,
    };
    Shape { accel, ..shape }
}

/// Returns the path of the state in `folder`, if the state has the length that was saved with it.
/// Marks the template as used.
fn whole(folder: &Path) -> Option<PathBuf> {
    let (state, length) = (folder.join(STATE), folder.join(LENGTH));
    let wanted: u64 = fs::read_to_string(&length).ok()?.parse().ok()?;
    let is = fs::metadata(&state).ok()?.len();
    if is != wanted {
        return None;
    }
    let used = File::options().append(true).open(&length);
    // A cache that is read-only can still be used.
    let _ = used.and_then(|file| file.set_modified(SystemTime::now()));
    Some(state)
}

/// Returns a text that identifies a version of a file, without reading the file.
fn identity(path: &Path) -> Result<String> {
    let read = || -> io::Result<String> {
        let (path, data) = (path.canonicalize()?, fs::metadata(path)?);
        let time = (data.mtime(), data.mtime_nsec());
        Ok(format!("{} {} {time:?}", path.display(), data.len()))
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}

/// Returns a text that identifies the processor that a guest under KVM has detected, and the host's
/// kernel.
fn processor() -> Result<String> {
    let text = fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").context("the kernel")?;
    let keys = ["model name", "microcode", "flags"];
    let told = |line: &&str| keys.iter().any(|key| line.starts_with(key));
    Ok(text
        .lines()
        .filter(told)
        .take(keys.len())
        .chain([release.trim()])
        .collect())
}

/// Boots a guest until it waits for work, and saves it.
fn make(
    host: &Host<'_>,
    shape: Shape<'_>,
    limits: &Limits,
    scratch: &Path,
    state: &Path,
) -> Result<()> {
    let files = Files::create(scratch)?;
    let host = Host {
        console: Console::File,
        ..host.clone()
    };
    let mut vm = Vm::boot(host.clone(), shape, files)?;
    let mut ready = Ready::default();
    let (console, second) = (vm.files.console.clone(), vm.files.second.clone());
    let end = follow(
        &mut vm.child,
        &console,
        Some(&second),
        limits,
        host.interrupt,
        &mut ready,
    )?;
    // No test would see what the kernel reports while it boots, so check it here.
    ready
        .console
        .finish(&Ui::silent())
        .context("while it booted")?;
    if end != End::Over {
        let fault = end.fault().unwrap_or_else(|| "it powered off".to_owned());
        bail!("the guest did not boot: {fault}");
    }
    vm.save(state)
}

/// Waits for the line [`READY`].
#[derive(Default)]
struct Ready {
    console: Watch,
    lines: Lines,
    seen: bool,
}

impl Listener for Ready {
    fn heard(&mut self, console: &[u8], second: &[u8]) -> Result<()> {
        self.console.heard(console);
        self.seen |= self.lines.push(second).iter().any(|line| line == READY);
        Ok(())
    }

    fn mood(&self) -> Mood {
        if self.seen {
            Mood::Over
        } else {
            self.console.mood()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_whole_or_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(whole(dir.path()), None);
        fs::write(dir.path().join(STATE), "12345").unwrap();
        assert_eq!(whole(dir.path()), None);
        fs::write(dir.path().join(LENGTH), "6").unwrap();
        assert_eq!(whole(dir.path()), None, "truncated");
        fs::write(dir.path().join(LENGTH), "5").unwrap();
        assert_eq!(whole(dir.path()), Some(dir.path().join(STATE)));
    }

    #[test]
    fn those_that_were_used_last_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let hour = Duration::from_secs(3600);
        let make = |name: &str, age: Duration| {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            let file = File::create(path.join(LENGTH)).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        };
        for number in 0..KEPT + 2 {
            make(
                &format!("k-{number}"),
                hour * u32::try_from(number).unwrap(),
            );
        }
        make("k-9.partial.1", hour);
        make("k-9.partial.2", hour * 4);
        Templates::new(dir.path().to_owned(), Ui::new()).prune();
        let there = |name: &str| dir.path().join(name).exists();
        assert!(there("k-0") && there(&format!("k-{}", KEPT - 1)));
        assert!(!there(&format!("k-{KEPT}")) && !there(&format!("k-{}", KEPT + 1)));
        assert!(there("k-9.partial.1") && !there("k-9.partial.2"));
    }
}
