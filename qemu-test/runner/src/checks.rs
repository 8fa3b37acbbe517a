// SPDX-License-Identifier: GPL-2.0

//! Implements the suite `checks`. Each lint is one test. The current directory is the checkout.

use std::env;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{bail, Context, Result};

use crate::compile_fail;
use crate::follow::{run_logged, Listener};
use crate::host::{is_progress, LIMITS, PLACE};
use crate::process::command;
use crate::report::{Cause, Failure, TestResult, Verdict};
use crate::scan;
use crate::session::Session;

/// The number of lines of a lint's output that are shown when the lint fails. The first complaints
/// help most.
const SHOWN: usize = 60;

/// The environment variable with the shell command that lints the kernel crates. The command needs
/// a kernel tree, whose path only the build knows.
const KERNEL_CLIPPY: &str = "TACKLE_KERNEL_CLIPPY";

/// The environment variable with the command that compiles a file as a kernel module and prints
/// messages as JSON.
const KERNEL_RUSTC: &str = "TACKLE_KERNEL_RUSTC";

/// The environment variable with the path of an unpacked kernel source. The checks use its
/// `checkpatch.pl` for C code and patches.
const KERNEL_SRC: &str = "TACKLE_KERNEL_SRC";

/// Directories of Rust code that is not part of the cargo workspace.
const KBUILD: &[&str] = &[
    "modules",
    "samples",
    "tests/compile-fail",
    "rust/base",
    "rust/kunit",
    "rust/tackle",
    "qemu-test/bench/modules",
    "qemu-test/rig",
];

/// Our patch series for the kernel.
const PATCHES: &str = "scripts/patches";

type Files = [(PathBuf, String)];

/// Runs all checks.
///
/// # Errors
/// Fails when a program cannot be started, a file cannot be written, or the user interrupts.
pub fn run(session: &Session, tell: &mut dyn FnMut(&TestResult)) -> Result<Vec<TestResult>> {
    let files = scan::read_all(tracked()?);
    let mut results = Vec::new();
    for (name, check) in CHECKS {
        let start = Instant::now();
        let verdict = check(session, &files)?;
        let (suite, place) = ("checks".to_owned(), PLACE.to_owned());
        let time = Some(start.elapsed());
        let result = TestResult {
            suite,
            name: (*name).to_owned(),
            place,
            verdict,
            time,
            figures: Vec::new(),
        };
        tell(&result);
        results.push(result);
    }
    Ok(results)
}

type Check = fn(&Session, &Files) -> Result<Verdict>;

const CHECKS: &[(&str, Check)] = &[
    ("rustfmt", rustfmt),
    ("clippy", clippy),
    ("kernel-clippy", kernel_clippy),
    ("compile-fail", compile_fail),
    ("shellcheck", shellcheck),
    ("checkpatch", checkpatch),
    ("patches", patches),
    ("forbid-unsafe", forbid_unsafe),
    ("spdx", spdx),
];

fn tracked() -> Result<Vec<PathBuf>> {
    // In the toolbox the checkout belongs to another user, which git refuses by default.
    let mut git = Command::new("git");
    let output = git
        .args(["-c", "safe.directory=*", "ls-files", "-z"])
        .output();
    let output = output.context("cannot run git")?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("git ls-files: {}", text.lines().next().unwrap_or_default());
    }
    let names = output
        .stdout
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    Ok(names
        .map(|name| PathBuf::from(OsString::from_vec(name.to_vec())))
        .collect())
}

fn rustfmt(session: &Session, files: &Files) -> Result<Verdict> {
    let mut cargo = command("cargo");
    cargo.args(["fmt", "--all", "--check"]);
    let verdict = lint(session, "rustfmt-cargo", cargo)?;
    let kernel: Vec<_> = files
        .iter()
        .map(|(path, _)| path)
        .filter(|path| scan::is_rust(path) && scan::is_under(path, KBUILD))
        .collect();
    if kernel.is_empty() || verdict != Verdict::Passed {
        return Ok(verdict);
    }
    let mut rustfmt = command("rustfmt");
    rustfmt.args(["--check", "--edition", "2021"]).args(kernel);
    lint(session, "rustfmt-kernel", rustfmt)
}

fn clippy(session: &Session, _: &Files) -> Result<Verdict> {
    let mut cargo = command("cargo");
    cargo.args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]);
    lint(session, "clippy", cargo)
}

fn kernel_clippy(session: &Session, _: &Files) -> Result<Verdict> {
    let Some(line) = env::var_os(KERNEL_CLIPPY).filter(|line| !line.is_empty()) else {
        return Ok(Verdict::Skipped(format!("{KERNEL_CLIPPY} is not set")));
    };
    let mut shell = command("sh");
    shell.arg("-c").arg(line);
    lint(session, "kernel-clippy", shell)
}

/// Checks that each case that must not compile fails to compile for the reason that the case names.
fn compile_fail(session: &Session, files: &Files) -> Result<Verdict> {
    let Some(line) = env::var_os(KERNEL_RUSTC).filter(|line| !line.is_empty()) else {
        return Ok(Verdict::Skipped(format!("{KERNEL_RUSTC} is not set")));
    };
    let line = line.to_string_lossy();
    let mut complaints = Vec::new();
    for (path, source) in files {
        if !scan::is_rust(path) || !scan::is_under(path, &[compile_fail::CASES]) {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let log = session.dir.subdir("checks")?.join(format!("{name}.log"));
        let mut words = line.split_whitespace();
        let mut rustc = command(words.next().unwrap_or_default());
        rustc.args(words).arg(path);
        let end = run_logged(rustc, &log, &LIMITS, &session.interrupt, &mut Deaf)?;
        let said = std::fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
        let said = String::from_utf8_lossy(&said);
        let compiled = end.fault().is_none();
        complaints.extend(compile_fail::judge(path, source, compiled, &said));
    }
    Ok(none_of(complaints, "not what the cases expect of rustc"))
}

fn shellcheck(session: &Session, files: &Files) -> Result<Verdict> {
    let scripts: Vec<_> = files
        .iter()
        .filter(|(path, content)| scan::is_shell(path, content))
        .map(|(path, _)| path)
        .collect();
    if scripts.is_empty() {
        return Ok(Verdict::Skipped("no shell script is tracked".to_owned()));
    }
    let mut shellcheck = command("shellcheck");
    shellcheck.arg("--").args(scripts);
    lint(session, "shellcheck", shellcheck)
}

fn checkpatch(session: &Session, files: &Files) -> Result<Verdict> {
    let Some(source) = env::var_os(KERNEL_SRC).map(PathBuf::from) else {
        return Ok(Verdict::Skipped(format!("{KERNEL_SRC} is not set")));
    };
    let here = env::current_dir().context("no current directory")?;
    let mut perl = command("perl");
    perl.arg(source.join("scripts/checkpatch.pl"))
        .args(["--strict", "--no-summary", "--quiet", "--root"])
        .arg(source)
        .arg("--file");
    // The C code of the differential tests runs on the host and does not follow the kernel's style.
    let differential = ["rust/core", "qemu-test/numa-sim"];
    let kernels = |path: &&PathBuf| scan::is_c(path) && !scan::is_under(path, &differential);
    let paths = files.iter().map(|(path, _)| path).filter(kernels);
    perl.args(paths.map(|path| here.join(path)));
    // checkpatch writes a list of names into the current directory.
    perl.current_dir(session.dir.subdir("checks")?);
    lint(session, "checkpatch", perl)
}

/// Checks that our patches for the kernel have the form that upstream accepts.
fn patches(session: &Session, files: &Files) -> Result<Verdict> {
    if !files.iter().any(|(path, _)| path.starts_with(PATCHES)) {
        return Ok(Verdict::Skipped("the series is empty".to_owned()));
    }
    let Some(source) = env::var_os(KERNEL_SRC) else {
        return Ok(Verdict::Skipped(format!("{KERNEL_SRC} is not set")));
    };
    let here = env::current_dir().context("no current directory")?;
    let mut script = command(here.join("scripts/patches.sh"));
    script.arg("check").arg(here.join(PATCHES)).arg(source);
    // checkpatch writes a list of names into the current directory.
    script.current_dir(session.dir.subdir("checks")?);
    lint(session, "patches", script)
}

fn forbid_unsafe(_: &Session, files: &Files) -> Result<Verdict> {
    let found = files
        .iter()
        .flat_map(|(path, content)| scan::find_unsafe(path, content))
        .collect();
    let found = none_of(found, "the word is used where only safe code belongs");
    if found != Verdict::Passed {
        return Ok(found);
    }
    // The macro `header!` relies on the contents of these files, which bindgen generates.
    let bindings = files
        .iter()
        .filter(|(path, _)| path.to_string_lossy().ends_with("_h.rs"))
        .map(|(path, _)| path.display().to_string())
        .collect();
    Ok(none_of(
        bindings,
        "a file has the name of what Kbuild makes of a C header",
    ))
}

fn spdx(_: &Session, files: &Files) -> Result<Verdict> {
    let bad = |(path, content): &&(PathBuf, String)| {
        scan::needs_licence(path) && !content.is_empty() && !scan::has_licence(content)
    };
    let found = files
        .iter()
        .filter(bad)
        .map(|(path, _)| path.display().to_string())
        .collect();
    Ok(none_of(
        found,
        "no SPDX-License-Identifier in the first two lines",
    ))
}

fn none_of(found: Vec<String>, complaint: &str) -> Verdict {
    if found.is_empty() {
        return Verdict::Passed;
    }
    Verdict::Failed(Failure::new(Cause::Reported, complaint).with(found))
}

/// Runs a lint; its exit status is the verdict.
fn lint(session: &Session, name: &str, command: Command) -> Result<Verdict> {
    let log = session.dir.subdir("checks")?.join(format!("{name}.log"));
    let end = run_logged(command, &log, &LIMITS, &session.interrupt, &mut Deaf)?;
    let Some(fault) = end.fault() else {
        return Ok(Verdict::Passed);
    };
    let text = std::fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
    let text = String::from_utf8_lossy(&text);
    let lines = text
        .lines()
        .filter(|line| !is_progress(line))
        .map(str::to_owned);
    let lines = lines.take(SHOWN).collect();
    Ok(Verdict::Failed(
        Failure::new(Cause::Reported, fault).with(lines),
    ))
}

/// A listener that ignores all output. The log is read at the end.
struct Deaf;

impl Listener for Deaf {
    fn heard(&mut self, _console: &[u8], _second: &[u8]) -> Result<()> {
        Ok(())
    }
}
