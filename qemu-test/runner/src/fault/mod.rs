// SPDX-License-Identifier: GPL-2.0

//! Implements the command `fault`: a campaign of fault injection in a guest, which continues after
//! crashes and hangs.
//!
//! `tackle fault run` injects the faults in the guest, and writes each event of its journal to
//! ttyS1. The host adds the events to a file. When the guest crashes, hangs or asks for a restart,
//! the host restores it from a snapshot that was taken before the campaign. Then the host starts
//! the program again and gives it the journal.

mod journal;
pub mod suite;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};

use crate::boot::Booter;
use crate::kernel::Kernel;
use crate::qemu::{Console, Files, Shape};
use crate::session::Session;
use crate::tail::Tail;
use crate::ui::Ui;
use crate::vm::{Answer, Vm};

use journal::Journal;

/// The kernel parameters of a guest without SLUB's checks: a hung task panics.
const PARAMETERS: &[&str] = &["hung_task_panic=1"];

/// The kernel parameters of a guest with SLUB's checks, which record the stacks of allocations.
const SLAB_DEBUG: &[&str] = &["slab_debug=FZPU", "hung_task_panic=1"];

/// The modules that the injector needs.
const MODULES: [&str; 3] = ["tackle", "tackle_ftrace", "fault_inject"];

/// The number of crashes without a fault after which a campaign ends with an error.
const STRAY: usize = 3;

/// What a campaign tests.
#[derive(Clone, Debug)]
pub enum Source {
    /// A workload: a file in the payload.
    Workload(String),
    /// A module that is loaded and unloaded.
    Module(String),
}

impl Source {
    /// Returns the workload's or the module's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Workload(file) => file.trim_end_matches(".toml"),
            Self::Module(name) => name,
        }
    }

    /// Returns the arguments for `tackle fault`.
    fn arguments(&self) -> String {
        match self {
            Self::Workload(file) => file.clone(),
            Self::Module(name) => format!("--module {name}"),
        }
    }
}

/// A campaign or a replay.
#[derive(Clone, Debug)]
pub struct Task {
    /// What is tested.
    pub source: Source,
    /// The arguments of `make fault` that name the source, if they differ from `MODULE=` and the
    /// name.
    pub again: Option<String>,
    /// Whether SLUB checks objects. With the checks, SLUB does not merge caches, and some of its
    /// code is not executed.
    pub slab_debug: bool,
    /// The only fault to inject: the operation and the point's id.
    pub replay: Option<(String, String)>,
}

impl Task {
    /// Returns the name of the folder for the output, below the folder of all campaigns.
    fn folder(&self) -> String {
        let suffix = if self.slab_debug {
            ""
        } else {
            "-no-slab-debug"
        };
        self.source.name().to_owned() + suffix
    }

    /// Returns the arguments of `make fault` that repeat this task.
    fn words(&self) -> String {
        let again = self.again.clone();
        let again = again.unwrap_or_else(|| format!("MODULE={}", self.source.name()));
        again
            + if self.slab_debug {
                ""
            } else {
                " SLAB_DEBUG=off"
            }
    }
}

/// The environment of a campaign.
pub struct Place<'a> {
    /// What boots guests.
    pub booter: &'a Booter<'a>,
    /// The kernel.
    pub kernel: &'a Kernel,
    /// The folder for the logs of guests.
    pub scratch: PathBuf,
    /// The folder for the journal and the reports.
    pub output: PathBuf,
    /// The program `tackle` on the host, which writes the reports.
    pub tackle: PathBuf,
    /// The user's terminal.
    pub ui: &'a Ui,
    /// The time after which the campaign stops. It can be continued later.
    pub limit: Option<Duration>,
}

/// The result of a campaign.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How often the guest was restored from its snapshot.
    pub returns: usize,
    /// The longest time that restoring the guest took.
    pub longest: Duration,
    /// How often the guest crashed or hung.
    pub crashes: usize,
    /// How many faults were injected.
    pub injections: usize,
    /// The time from the ready guest to the end of the campaign. It includes the time for restoring
    /// the guest.
    pub time: Duration,
    /// Whether all operations are done.
    pub finished: bool,
    /// The report, as `tackle fault report --json` prints it.
    pub report: serde_json::Value,
    /// The report as text.
    pub text: String,
}

impl Outcome {
    /// Returns the figures in one line.
    fn summary(&self) -> String {
        format!(
            "{} faults, {:.0} a minute; {} returns to the snapshot ({} crashes), the longest {:.1} s",
            self.injections,
            self.injections as f64 * 60.0 / self.time.as_secs_f64().max(1.0),
            self.returns,
            self.crashes,
            self.longest.as_secs_f64()
        )
    }
}

/// A guest that is ready for the injector, and its snapshot.
struct Guest<'a> {
    vm: Vm<'a>,
    saved: Saved,
    silence: Duration,
}

/// The file of a snapshot, which has the size of the guest's memory. It is removed when dropped.
struct Saved(PathBuf);

impl Drop for Saved {
    fn drop(&mut self) {
        // The file may not exist yet.
        let _ = fs::remove_file(&self.0);
    }
}

impl<'a> Guest<'a> {
    fn start(place: &Place<'a>, task: &Task) -> Result<Self> {
        let shape = Shape {
            parameters: match task.slab_debug {
                true => SLAB_DEBUG,
                false => PARAMETERS,
            },
            ..place.booter.shape(place.kernel)
        };
        ensure!(
            shape.accel.can_be_saved() && shape.has_generation_id()?,
            "guests of the kernel {} cannot be saved, so that a campaign could not go on after a crash",
            place.kernel.name
        );
        let templates = place.booter.templates;
        let templates = templates.context("a campaign needs the folder TACKLE_CACHE")?;
        let dir = &place.scratch;
        let host = place.booter.host(place.kernel, dir, Console::File);
        let limits = &place.booter.limits;
        let state = templates.find(&host, shape, limits, &dir.join("template"))?;
        let state = state.context("no guest could be saved")?;
        let mut vm = Vm::restore(host, shape, Files::create(dir)?, &state)?;
        let silence = limits.silence;
        vm.take_orders(silence)?;
        for module in MODULES {
            vm.obey(&format!("insmod /tackle/{module}.ko"), silence)?;
        }
        let saved = Saved(dir.join("saved"));
        // QEMU does not overwrite an existing file.
        let _ = fs::remove_file(&saved.0);
        vm.snapshot(&saved.0)?;
        Ok(Self { vm, saved, silence })
    }

    fn go_back(self) -> Result<Self> {
        let Self { vm, saved, silence } = self;
        let vm = vm.return_to(&saved.0, silence)?;
        Ok(Self { vm, saved, silence })
    }
}

/// Runs a campaign to its end. It continues from the journal in the output folder, unless that
/// journal is finished.
///
/// # Errors
/// Fails when the workload fails without a fault, when the guest crashes repeatedly without a
/// fault, when the program in the guest reports an error, or when the user interrupts.
pub fn run(place: &Place<'_>, task: &Task) -> Result<Outcome> {
    let mut journal = Journal::open(&place.output.join("journal.jsonl"))?;
    let mut outcome = Outcome::default();
    let begin = Instant::now();
    place
        .ui
        .step(&format!("fault: {}: starting a guest", task.source.name()));
    let mut guest = Guest::start(place, task)?;
    let mut console = Tail::new(&guest.vm.files.console);
    let (start, before, mut stray) = (Instant::now(), journal.injections(), 0);
    while !journal.is_finished() {
        if place.limit.is_some_and(|limit| begin.elapsed() >= limit) {
            break;
        }
        let words = match place.limit {
            Some(limit) => {
                let left = limit.saturating_sub(begin.elapsed()).as_secs().max(1);
                format!(" --limit {left}")
            }
            None => String::new(),
        };
        send(&mut guest, &journal)?;
        let known = journal.progress();
        // Skip what was logged before this injection.
        console.rest().context("the console")?;
        let (answer, said) = inject(
            &mut guest,
            place,
            task,
            &words,
            &mut journal,
            (before, start),
        )?;
        let log = String::from_utf8_lossy(&console.rest().context("the console")?).into_owned();
        let lost = match &answer {
            Answer::Done(..) => None,
            Answer::Ended(_) => Some("the kernel crashed"),
            Answer::Silent => Some("the guest hangs"),
        };
        if let Some(text) = lost {
            outcome.crashes += 1;
            // If there are several titles, these faults were injected in a row, and one of them was
            // the cause.
            let titles = journal.titles().join("\n");
            if !journal.lost(text, &log)? {
                stray += 1;
                place.ui.note(&format!(
                    "fault: {}: {text} while no fault was injected",
                    task.source.name()
                ));
            }
            let path = place.output.join(format!("crash-{}.log", outcome.crashes));
            fs::write(&path, format!("{titles}\n{log}")).context("cannot write a log")?;
        } else if journal.is_finished() || said.contains("stopped;") {
            break;
        } else if journal.progress() == known || !said.contains("must be started anew") {
            bail!(
                "{}: {}",
                task.source.name(),
                said.trim().trim_start_matches("tackle: ")
            );
        }
        if stray >= STRAY || (lost.is_some() && journal.progress() == known && stray > 0) {
            bail!("{}: the guest crashes without a fault", task.source.name());
        }
        let since = Instant::now();
        guest = guest.go_back()?;
        outcome.longest = outcome.longest.max(since.elapsed());
        outcome.returns += 1;
    }
    outcome.time = start.elapsed();
    outcome.injections = journal.injections() - before;
    outcome.finished = journal.is_finished();
    drop(guest);
    place.ui.clear();
    report(place, &mut outcome)?;
    Ok(outcome)
}

/// Starts the program in the guest, and adds the events that it prints to the journal. Returns how
/// the program ended, and its other output.
fn inject(
    guest: &mut Guest<'_>,
    place: &Place<'_>,
    task: &Task,
    words: &str,
    journal: &mut Journal,
    (before, start): (usize, Instant),
) -> Result<(Answer, String)> {
    guest.vm.order(&format!(
        "cd /tackle; ./tackle fault run {} --journal /proc/self/fd/1 --resume /run/journal --quiet{words} \
         2>/run/said; status=$?; cat /run/said; exit $status",
        task.source.arguments()
    ))?;
    let mut said = String::new();
    let mut failure = None;
    let answer = guest.vm.listen(guest.silence, &mut |line| {
        if !line.starts_with("{\"event\":") {
            said += line;
            said.push('\n');
            return;
        }
        match journal.add(line) {
            Ok(()) => {
                let (done, all) = journal.count();
                let rate = (done - before) as f64 / start.elapsed().as_secs_f64().max(1.0);
                let left = (all - done) as f64 / rate.max(0.01);
                place.ui.step_quietly(&format!(
                    "fault: {}: {done} of {all} faults, {:.0} a minute, {left:.0} s left",
                    task.source.name(),
                    rate * 60.0
                ));
            }
            Err(error) => failure = Some(error),
        }
    })?;
    match failure {
        Some(error) => Err(error),
        None => Ok((answer, said)),
    }
}

/// The maximum number of bytes of the journal in one command to the guest.
const ORDER: usize = 16 << 10;

/// Writes the events that the guest needs to its file `/run/journal`.
fn send(guest: &mut Guest<'_>, journal: &Journal) -> Result<()> {
    let (vm, silence) = (&mut guest.vm, guest.silence);
    vm.obey("rm -f /run/journal /run/packed", silence)?;
    let packed = journal.packed()?;
    for part in packed.as_bytes().chunks(ORDER) {
        let part = std::str::from_utf8(part).context("base64")?;
        vm.obey(&format!("printf %s {part} >>/run/packed"), silence)?;
    }
    if !packed.is_empty() {
        vm.obey("base64 -d /run/packed | gzip -dc >/run/journal", silence)?;
    }
    Ok(())
}

/// Writes the reports with the program `tackle` on the host.
fn report(place: &Place<'_>, outcome: &mut Outcome) -> Result<()> {
    let path = |name: &str| place.output.join(name);
    let tackle = |words: &[&str]| -> Result<String> {
        let mut command = Command::new(&place.tackle);
        command
            .args(["fault", "report"])
            .arg(path("journal.jsonl"))
            .args(words);
        let output = command.output();
        let output = output.with_context(|| format!("cannot run {}", place.tackle.display()))?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}", error.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let html = path("report.html");
    let html = html.to_str().context("a path that is not UTF-8")?;
    outcome.text = tackle(&["--html", html])?;
    let json = tackle(&["--json"])?;
    fs::write(path("report.txt"), &outcome.text).context("cannot write the report")?;
    fs::write(path("report.json"), &json).context("cannot write the report")?;
    outcome.report = serde_json::from_str(&json).context("the report is no JSON")?;
    Ok(())
}

/// Injects one fault, and prints the output of the program and the kernel log.
///
/// # Errors
/// The errors are those of [`run`].
pub fn replay(place: &Place<'_>, task: &Task, operation: &str, id: &str) -> Result<()> {
    place
        .ui
        .step(&format!("fault: {}: starting a guest", task.source.name()));
    let mut guest = Guest::start(place, task)?;
    let mut console = Tail::new(&guest.vm.files.console);
    console.rest().context("the console")?;
    let order = format!(
        "cd /tackle; ./tackle fault replay {} --operation {operation} --point {id} --times 1",
        task.source.arguments()
    );
    guest.vm.order(&order)?;
    let answer = guest
        .vm
        .listen(guest.silence, &mut |line| place.ui.print(line))?;
    let log = console.rest().context("the console")?;
    place.ui.clear();
    place.ui.print(&String::from_utf8_lossy(&log));
    match answer {
        Answer::Done(..) => Ok(()),
        Answer::Ended(_) => bail!("the kernel crashed"),
        Answer::Silent => bail!("the guest hangs"),
    }
}

/// Runs a task for the user, and prints the report.
///
/// # Errors
/// The errors are those of [`run`] and [`replay`].
pub fn show(
    session: &Session,
    booter: &Booter<'_>,
    kernel: &Kernel,
    build: &Path,
    task: &Task,
    limit: Option<Duration>,
) -> Result<()> {
    let output = build.join("fault").join(task.folder());
    fs::create_dir_all(&output).with_context(|| format!("cannot make {}", output.display()))?;
    let place = Place {
        booter,
        kernel,
        scratch: session.dir.subdir(format!("{}/fault", kernel.name))?,
        output,
        tackle: build.join("tools/tackle"),
        ui: &session.ui,
        limit,
    };
    if let Some((operation, id)) = &task.replay {
        return replay(&place, task, operation, id);
    }
    let outcome = run(&place, task)?;
    session.ui.print(outcome.text.trim_end());
    session.ui.print(&outcome.summary());
    let again = task.words();
    for case in outcome.report["findings"].as_array().into_iter().flatten() {
        let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
        session.ui.print(&format!(
            "again: make fault {again} FLAVOUR={} REPLAY={}:{}",
            kernel.name,
            text("operation"),
            text("id")
        ));
    }
    session
        .ui
        .print(&format!("reports: {}", place.output.display()));
    Ok(())
}
