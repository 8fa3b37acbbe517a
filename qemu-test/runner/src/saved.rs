// SPDX-License-Identifier: GPL-2.0

//! Tests saved guests, as a part of the suite `rig`. Guests are saved, restored, crashed and
//! restored again.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread::scope;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use nix::mount::{mount, umount, MsFlags};

use crate::boot::Booter;
use crate::follow::{Collect, End};
use crate::interrupt::Interrupted;
use crate::kernel::Kernel;
use crate::qemu::{Console, Files, Shape};
use crate::report::{Cause, Failure, TestResult, Verdict};
use crate::template::Templates;
use crate::ui::Ui;
use crate::vm::{Answer, Vm};
use crate::work::now;

/// How often a guest is crashed and restored.
const CRASHES: usize = 100;

/// The guest hangs in one of this number of rounds, and crashes in all others.
const HANG_EVERY: usize = 20;

/// The limit of silence for a guest that hangs on purpose.
const HANG: Duration = Duration::from_secs(1);

/// One test.
pub struct Saved {
    /// The test's name.
    pub name: &'static str,
    /// The test; it returns figures for the reader.
    run: fn(&Place<'_>) -> Result<Vec<String>>,
}

/// All tests of saved guests.
pub const TESTS: &[Saved] = &[
    Saved {
        name: "siblings-differ",
        run: siblings_differ,
    },
    Saved {
        name: "crashes-are-restored",
        run: crashes_are_restored,
    },
    Saved {
        name: "a-bad-template-is-not-used",
        run: a_bad_template_is_not_used,
    },
    Saved {
        name: "a-full-disk-makes-no-template",
        run: a_full_disk_makes_no_template,
    },
    Saved {
        name: "two-runs-make-one-template",
        run: two_runs_make_one_template,
    },
];

/// The environment of a test.
struct Place<'a> {
    booter: &'a Booter<'a>,
    shape: Shape<'a>,
    dir: &'a Path,
}

impl Saved {
    /// Runs the test on `kernel`, with logs in the folder `dir`.
    ///
    /// # Errors
    /// Fails with [`Interrupted`] when the user interrupts. Any other error is a failed test.
    pub fn test(&self, booter: &Booter<'_>, kernel: &Kernel, dir: &Path) -> Result<TestResult> {
        let start = Instant::now();
        let shape = booter.shape(kernel);
        let (mut figures, mut time) = (Vec::new(), None);
        let verdict = if shape.accel.can_be_saved() && shape.has_generation_id()? {
            let place = Place { booter, shape, dir };
            let outcome = (self.run)(&place);
            time = Some(start.elapsed());
            // Saved guests are large, and of no use for a reader of the logs.
            let _ = fs::remove_dir_all(dir.join("templates"));
            let _ = fs::remove_file(dir.join("saved"));
            match outcome {
                Ok(found) => {
                    figures = found;
                    Verdict::Passed
                }
                Err(error) if error.is::<Interrupted>() => return Err(error),
                Err(error) => Verdict::Failed(Failure::new(Cause::Reported, format!("{error:#}"))),
            }
        } else {
            Verdict::Skipped("guests of this kernel cannot be saved".to_owned())
        };
        Ok(TestResult {
            suite: "rig".to_owned(),
            name: self.name.to_owned(),
            place: kernel.name.clone(),
            verdict,
            time,
            figures,
        })
    }
}

impl<'a> Place<'a> {
    fn silence(&self) -> Duration {
        self.booter.limits.silence
    }

    /// Returns templates that only this test uses. They print no messages, because this test causes
    /// errors on purpose.
    fn templates(&self, dir: &Path) -> Templates {
        Templates::new(dir.to_owned(), Ui::silent())
    }

    fn find(&self, templates: &Templates, scratch: &str) -> Result<Option<PathBuf>> {
        let scratch = self.dir.join(scratch);
        let host = self.booter.host(self.shape.kernel, &scratch, Console::File);
        templates.find(&host, self.shape, &self.booter.limits, &scratch)
    }

    /// Returns a guest that takes orders, restored from the template of this shape.
    fn guest(&self, templates: &Templates, name: &str) -> Result<Vm<'a>> {
        let state = self
            .find(templates, name)?
            .context("there is no template")?;
        let dir = self.dir.join(name).join("restored");
        let host = self.booter.host(self.shape.kernel, &dir, Console::File);
        let mut vm = Vm::restore(host, self.shape, Files::create(&dir)?, &state)?;
        vm.take_orders(self.silence())?;
        Ok(vm)
    }
}

/// What must differ between restored guests, and the commands that print it.
const SELF: &[(&str, &str)] = &[
    ("machine id", "cat /etc/machine-id"),
    ("boot id", "cat /proc/sys/kernel/random/boot_id"),
    ("random numbers", "od -An -tx8 -N16 /dev/urandom"),
];

fn siblings_differ(place: &Place<'_>) -> Result<Vec<String>> {
    let templates = place.templates(&place.dir.join("templates"));
    let mut selves: Vec<Vec<String>> = Vec::new();
    for name in ["one", "other"] {
        let before = now();
        let mut vm = place.guest(&templates, name)?;
        let mut ask =
            |command: &str| -> Result<String> { Ok(vm.obey(command, place.silence())?.join(" ")) };
        let all: Result<Vec<String>> = SELF.iter().map(|(_, command)| ask(command)).collect();
        selves.push(all?);
        let time: u64 = ask("date +%s")?.trim().parse().context("date")?;
        let after = now();
        ensure!(
            (before..=after).contains(&time),
            "expected a time of day of {before} to {after}, got {time}"
        );
    }
    for (index, (what, _)) in SELF.iter().enumerate() {
        let (one, other) = (&selves[0][index], &selves[1][index]);
        ensure!(
            !one.is_empty() && one != other,
            "both have the {what} {one:?}"
        );
    }
    Ok(Vec::new())
}

fn crashes_are_restored(place: &Place<'_>) -> Result<Vec<String>> {
    let templates = place.templates(&place.dir.join("templates"));
    let mut vm = place.guest(&templates, "guest")?;
    let lines = vm.obey("echo kept >/run/kept", place.silence())?;
    ensure!(lines.is_empty(), "{lines:?}");
    let saved = place.dir.join("saved");
    vm.snapshot(&saved)?;
    let mut times = Vec::new();
    for round in 1..=CRASHES {
        let hang = round % HANG_EVERY == 0;
        if hang {
            vm.order("echo lost >/run/kept; sleep 1000000")?;
            let answer = vm.answer(HANG)?;
            ensure!(answer == Answer::Silent, "round {round}: {answer:?}");
        } else {
            vm.order("echo lost >/run/kept; echo c >/proc/sysrq-trigger")?;
            let answer = vm.answer(place.silence())?;
            let ended = matches!(answer, Answer::Ended(_));
            ensure!(ended, "round {round}: {answer:?}");
        }
        let start = Instant::now();
        vm = vm.return_to(&saved, place.silence())?;
        let lines = vm.obey("cat /run/kept", place.silence())?;
        times.push(start.elapsed());
        ensure!(lines == ["kept"], "round {round}: {lines:?}");
    }
    let log = fs::read(&vm.files.console).context("the console")?;
    let panics = String::from_utf8_lossy(&log)
        .matches("Kernel panic")
        .count();
    let wanted = CRASHES - CRASHES / HANG_EVERY;
    ensure!(panics == wanted, "expected {wanted} panics, got {panics}");
    times.sort_unstable();
    let seconds = |time: &Duration| time.as_secs_f64();
    let (median, worst) = (&times[times.len() / 2], &times[times.len() - 1]);
    Ok(vec![format!(
        "rig: restored {CRASHES} times: median {:.2} s, worst {:.2} s",
        seconds(median),
        seconds(worst)
    )])
}

/// Starts a guest with these templates, and returns whether it did its work.
fn works(place: &Place<'_>, templates: &Templates, name: &str) -> Result<bool> {
    let booter = Booter {
        qemu: place.booter.qemu.clone(),
        templates: Some(templates),
        ..*place.booter
    };
    let mut console = Collect::default();
    let dir = place.dir.join(name);
    let (end, _) = booter.boot(place.shape.kernel, "list", &dir, &mut console)?;
    let good = matches!(end, End::Exited(status) if status.success());
    Ok(good && String::from_utf8_lossy(&console.0).contains("tackle_hooks"))
}

fn a_bad_template_is_not_used(place: &Place<'_>) -> Result<Vec<String>> {
    let dir = place.dir.join("templates");
    let state = place.find(&place.templates(&dir), "made")?;
    let state = state.context("there is no template")?;
    let length = fs::metadata(&state)?.len();

    // A truncated template must be made again.
    OpenOptions::new()
        .write(true)
        .open(&state)?
        .set_len(length / 2)?;
    let again = place.find(&place.templates(&dir), "truncated")?;
    ensure!(again.as_ref() == Some(&state), "it was not made again");
    ensure!(
        fs::metadata(&state)?.len() > length / 2,
        "it is as short as before"
    );

    // A template of the right length with wrong contents must be refused by QEMU, and the guest
    // boots.
    let mut file = OpenOptions::new().write(true).open(&state)?;
    file.write_all(&[0; 4096])?;
    ensure!(
        works(place, &place.templates(&dir), "overwritten")?,
        "no guest booted instead"
    );
    ensure!(!state.exists(), "the bad template is still there");
    Ok(Vec::new())
}

fn a_full_disk_makes_no_template(place: &Place<'_>) -> Result<Vec<String>> {
    let disk = place.dir.join("disk");
    fs::create_dir_all(&disk)?;
    let mounted = Mounted::new(&disk)?;
    let templates = place.templates(&disk.join("templates"));
    ensure!(works(place, &templates, "full")?, "no guest booted instead");
    let left: Vec<_> = fs::read_dir(disk.join("templates"))?.collect();
    ensure!(
        left.len() <= 1,
        "there is more left than the lock: {left:?}"
    );
    drop(mounted);
    Ok(Vec::new())
}

/// A disk of 16 MiB, which is too small for a template.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn new(path: &'a Path) -> Result<Self> {
        let flags = MsFlags::empty();
        mount(Some("tmpfs"), path, Some("tmpfs"), flags, Some("size=16m")).context("tmpfs")?;
        Ok(Self(path))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // If this fails, the mount ends with the toolbox's mount namespace.
        let _ = umount(self.0);
    }
}

fn two_runs_make_one_template(place: &Place<'_>) -> Result<Vec<String>> {
    let dir = &place.dir.join("templates");
    let names = ["one", "other"];
    let states: Vec<Result<Option<PathBuf>>> = scope(|scope| {
        let run = |name| scope.spawn(move || place.find(&place.templates(dir), name));
        let runs: Vec<_> = names.into_iter().map(run).collect();
        let end = |run: std::thread::ScopedJoinHandle<'_, _>| {
            run.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        runs.into_iter().map(end).collect()
    });
    for state in states {
        let state = state?.context("there is no template")?;
        ensure!(state.starts_with(dir), "{} is elsewhere", state.display());
    }
    let booted = names.map(|name| place.dir.join(name).join("console.log").exists());
    ensure!(
        booted.iter().filter(|booted| **booted).count() == 1,
        "expected one boot, got {booted:?}"
    );
    Ok(Vec::new())
}
