// SPDX-License-Identifier: GPL-2.0

//! Tests random lines, and mutated valid lines, for all files that root can write: the files `add`
//! and `del` of `tackle_hooks`, the files of `numa_control`, `reset` of `numa_stat`, the fault
//! attribute, and module parameters.
//!
//! No line may make the kernel report a crash, a warning, a stall or a leak. If a line is refused,
//! the file `error` must have the reason. If it is accepted, `error` must be empty. There are 100
//! lines for each of the rounds of the suite `stress`. The random seed is in the report;
//! `TACKLE_SEED` sets it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{ensure, Context as _, Result};
use fastrand::Rng;

use super::stress::{rounds, seed};
use crate::suite::{list, skip, Context, Suite};
use crate::sys::{cmd, debugfs, ftrace, module, numa};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "debugfs_fuzz",
    by_name_only: false,
    tests: list![
        lines_for_numa,
        values_of_the_fault_attribute,
        module_parameters,
        lines_for_hooks
    ],
};

/// How many of a hundred lines each test writes.
const HOOKS: u32 = 50;
const NUMA: u32 = 30;
const FAULTS: u32 = 15;
const PARAMETERS: u32 = 5;

/// The maximum number of hooks at a time.
const MOST: usize = 24;

fn pick<'a>(rng: &mut Rng, of: &[&'a str]) -> &'a str {
    of[rng.usize(..of.len())]
}

/// Returns a text to replace a number: mostly a number with a special effect.
fn number(rng: &mut Rng) -> String {
    match rng.u8(..8) {
        0 => rng.u64(..).to_string(),
        1 => format!("-{}", rng.u32(..)),
        2 => format!("{:#x}", rng.u64(..)),
        _ => pick(
            rng,
            &[
                "0",
                "1",
                "-1",
                "2",
                "100",
                "4194304",
                "2147483647",
                "2147483648",
                "4294967295",
                "4294967296",
                "18446744073709551615",
                "18446744073709551616",
                "1e3",
                "0x",
                " 1",
                "+1",
                "1 ",
                "",
                "1,2",
                "0-",
                "-",
                "Y",
                "n",
                "true",
            ],
        )
        .to_string(),
    }
}

/// Changes some bytes of a line, or none.
fn mutate(rng: &mut Rng, line: &mut Vec<u8>) {
    for _ in 0..rng.u8(..6).saturating_sub(2) {
        let at = rng.usize(..=line.len());
        match rng.u8(..7) {
            0 => line.insert(at, rng.u8(..)),
            1 => line.insert(at, b" \n\t\0:=,*/.%"[rng.usize(..11)]),
            2 if at < line.len() => line[at] = rng.u8(..),
            3 => line.truncate(at),
            4 if at < line.len() => drop(line.remove(at)),
            5 => {
                let again = line.clone();
                line.extend(again);
            }
            6 if rng.u8(..8) == 0 => {
                let more = rng.usize(..5000);
                line.extend(std::iter::repeat_n(b'x', more));
            }
            _ => {}
        }
    }
}

/// Writes bytes to a file of the kernel. Returns whether the kernel accepted them.
fn write(path: &Path, bytes: &[u8]) -> Result<bool> {
    let mut file = OpenOptions::new()
        .write(true)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match file.write(bytes) {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error().is_some() => Ok(false),
        Err(error) => Err(error).context("a write without an errno"),
    }
}

/// Writes a line to a file of a folder, and compares the result with the contents of `error`.
fn request(folder: &str, file: &str, line: &[u8]) -> Result<bool> {
    let path = |file: &str| debugfs::tackle(folder).join(file);
    let taken = write(&path(file), line)?;
    let error = debugfs::read(path("error"))?;
    let shown = String::from_utf8_lossy(line);
    let shown: String = shown.chars().take(200).collect();
    // The kernel does not pass on a write of 0 bytes.
    if !line.is_empty() {
        ensure!(
            taken == error.is_empty(),
            "{file} '{}': taken is {taken}, error is '{error}'",
            shown.escape_debug()
        );
    }
    ensure!(
        error.lines().count() <= 1,
        "{file} '{}': more than a line: '{error}'",
        shown.escape_debug()
    );
    Ok(taken)
}

struct Hooks {
    functions: Vec<String>,
    groups: Vec<&'static str>,
}

impl Hooks {
    fn file(name: &str) -> PathBuf {
        debugfs::tackle("hooks").join(name)
    }

    fn new() -> Result<Self> {
        let text = ftrace::traceable()?;
        let first = |line: &str| line.split_whitespace().next().map(str::to_string);
        Ok(Self {
            functions: text.lines().filter_map(first).collect(),
            groups: vec!["/", "/a", "", "..", "/../..", "/nothing/here"],
        })
    }

    fn function(&self, rng: &mut Rng) -> String {
        match rng.u8(..10) {
            0..=3 => self.functions[rng.usize(..self.functions.len())].clone(),
            _ => pick(
                rng,
                &[
                    "vfs_read",
                    "cmdline_proc_show",
                    "__x64_sys_getsid",
                    "console_show",
                    "tackle_no_such",
                    "init_task",
                    "rig_twin_a:rig_twin_call",
                    "rig_twin_call",
                    "ext4:ext4_sync_file",
                    "nothing:at_all",
                    ":",
                    "a:",
                    ":a",
                    "a:b:c",
                    "*",
                    "",
                    "__rcu_read_lock",
                    "schedule",
                    "kfree",
                ],
            )
            .to_string(),
        }
    }

    fn option(&self, rng: &mut Rng) -> String {
        let key = pick(
            rng,
            &[
                "name", "pid", "tgid", "tree", "cgroup", "cpu", "position", "nothing", "",
            ],
        );
        let value = match key {
            "name" => pick(rng, &["a", "b", "add", "..", "/", "a/b", "x.y", ""]).to_string(),
            "cgroup" => pick(rng, &self.groups).to_string(),
            "cpu" => pick(
                rng,
                &["0", "0-1", "1,0", "0-", "99999", "1-0", ",", "0,0,0,0"],
            )
            .into(),
            _ => number(rng),
        };
        format!("{key}={value}")
    }

    fn line(&self, rng: &mut Rng) -> Vec<u8> {
        let kind = pick(rng, &["count", "count", "latency", "return", "other", ""]);
        let mut line = format!("{} {kind}", self.function(rng));
        for _ in 0..rng.u8(..4) {
            line.push(' ');
            line.push_str(&self.option(rng));
        }
        let mut line = line.into_bytes();
        mutate(rng, &mut line);
        line
    }

    fn request(&self, file: &str, line: &[u8]) -> Result<bool> {
        request("hooks", file, line)
    }

    fn names() -> Result<Vec<String>> {
        let list = debugfs::read(Self::file("list"))?;
        let first = |line: &str| line.split_whitespace().next().map(str::to_string);
        Ok(list.lines().filter_map(first).collect())
    }
}

/// Tests the files of `tackle_hooks`. This is the last test, since tasks of the system may sleep in
/// a function whose exit is hooked, and keep the library loaded.
fn lines_for_hooks(context: &mut Context<'_>) -> Result<()> {
    context.may_stay(&[module::FTRACE, module::LIBRARY]);
    let library = module::library()?;
    let module = module::load("tackle_hooks", "")?;
    let twin = module::load("rig_twin_a", "")?;
    let seed = seed()?;
    context.note(format!("seed {seed}"))?;
    let mut rng = Rng::with_seed(seed);
    let hooks = Hooks::new()?;
    let (mut taken, mut removed, lines) = (0u32, 0u32, rounds()? * HOOKS);
    for number in 0..lines {
        let names = Hooks::names()?;
        if names.len() >= MOST || (rng.u8(..16) == 0 && !names.is_empty()) {
            let name = &names[rng.usize(..names.len())];
            ensure!(
                hooks.request("del", name.as_bytes())?,
                "cannot remove {name}"
            );
            removed += 1;
        } else if rng.u8(..8) == 0 {
            let mut line = names.first().cloned().unwrap_or_default().into_bytes();
            mutate(&mut rng, &mut line);
            removed += u32::from(hooks.request("del", &line)?);
        } else {
            taken += u32::from(hooks.request("add", &hooks.line(&mut rng))?);
        }
        if number % 2000 == 1999 {
            context.note(format!("{} lines, {taken} hooks", number + 1))?;
        }
    }
    context.note(format!(
        "{lines} lines, {taken} hooks added, {removed} removed"
    ))?;
    twin.unload()?;
    library.leave();
    module.unload()
}

/// Returns a line for a file of `numa_control`, or a value for `reset` of `numa_stat`.
fn numa_line(rng: &mut Rng) -> (&'static str, &'static str, Vec<u8>) {
    let own = std::process::id().to_string();
    let id = match rng.u8(..4) {
        0 => own,
        1 => pick(rng, &["1", "2", "4194303", "none", "all"]).to_string(),
        _ => number(rng),
    };
    let (folder, file, line) = match rng.u8(..8) {
        0 => ("numa_stat", "reset", number(rng)),
        1 | 2 => {
            let node = pick(rng, &["0", "1", "none", "64", "-1", ""]);
            ("numa_control", "prefer", format!("{id} {node}"))
        }
        _ => {
            let verb = pick(rng, &["on", "off", "clear", "stop", ""]);
            let tasks = match rng.u8(..4) {
                0 => pick(rng, &["all", "cgroup=/", "cgroup=/none", "cgroup=a"]).to_string(),
                1 => format!("tgid={id}"),
                _ => format!("{}={id}", pick(rng, &["pid", "pid", "node", ""])),
            };
            ("numa_control", "switch", format!("{verb} {tasks}"))
        }
    };
    let mut line = line.into_bytes();
    mutate(rng, &mut line);
    (folder, file, line)
}

/// Tests the files of `numa_control` and `numa_stat`. All files are read between the writes.
fn lines_for_numa(context: &mut Context<'_>) -> Result<()> {
    if !numa::can_balance() {
        return skip("the kernel has no CONFIG_NUMA_BALANCING");
    }
    let library = module::library()?;
    let modules = [
        module::load("numa_stat", "wakeups=1")?,
        module::load("numa_control", "")?,
    ];
    let seed = seed()?;
    context.note(format!("seed {seed}"))?;
    let mut rng = Rng::with_seed(seed);
    let (mut taken, lines) = (0u32, rounds()? * NUMA);
    for number in 1..=lines {
        let (folder, file, line) = numa_line(&mut rng);
        taken += u32::from(match folder {
            // `numa_stat` has no file `error`, since only one value is valid.
            "numa_stat" => write(&debugfs::tackle(folder).join(file), &line)?,
            _ => request(folder, file, &line)?,
        });
        if rng.u8(..8) == 0 {
            for folder in ["numa_stat", "numa_control"] {
                for entry in std::fs::read_dir(debugfs::tackle(folder))? {
                    let path = entry?.path();
                    if !path.ends_with("reset") {
                        debugfs::read(path)?;
                    }
                }
            }
        }
        if number % 2000 == 0 {
            context.note(format!("{number} lines, {taken} taken"))?;
        }
    }
    context.note(format!("{lines} lines, {taken} taken"))?;
    ensure!(taken > 0, "expected some of {lines} lines to be taken");
    for module in modules {
        module.unload()?;
    }
    library.unload()
}

/// Tests values of the fault attribute. Hooks are added with these values, too, so that some steps
/// fail.
fn values_of_the_fault_attribute(context: &mut Context<'_>) -> Result<()> {
    let stack = module::stack("tackle_hooks", "")?;
    let seed = seed()?;
    context.note(format!("seed {seed}"))?;
    let mut rng = Rng::with_seed(seed);
    let files = [
        "probability",
        "interval",
        "times",
        "space",
        "verbose",
        "verbose_ratelimit_interval_ms",
        "verbose_ratelimit_burst",
        "task-filter",
    ];
    let file = |name: &str| debugfs::tackle("fail_setup").join(name);
    // Save the old values.
    let before: Vec<String> = files
        .iter()
        .map(|name| debugfs::read(file(name)))
        .collect::<Result<_>>()?;
    let (mut taken, lines) = (0u32, rounds()? * FAULTS);
    for _ in 0..lines {
        let mut line = number(&mut rng).into_bytes();
        mutate(&mut rng, &mut line);
        taken += u32::from(write(&file(pick(&mut rng, &files)), &line)?);
        if rng.u8(..8) == 0 {
            // One line in eight is written with few enough failures to log them.
            debugfs::set(file("verbose"), "0")?;
            let _ = write(&Hooks::file("add"), b"vfs_read count name=a")?;
            let _ = write(&Hooks::file("del"), b"a")?;
        }
    }
    for (name, value) in files.iter().zip(&before) {
        debugfs::set(file(name), value)?;
    }
    context.note(format!("{lines} values, {taken} taken"))?;
    stack.unload()
}

/// Modules and their parameters. The last two need a kernel with NUMA balancing. The sizes of
/// `numa_stat` are not tested, since valid values need more memory than the guest has.
const PARAMETERS_OF: [(&str, &str); 4] = [
    ("hook_count", "function"),
    ("hook_latency", "function"),
    ("numa_stat", "private"),
    ("numa_stat", "wakeups"),
];

fn module_parameters(context: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let seed = seed()?;
    context.note(format!("seed {seed}"))?;
    let mut rng = Rng::with_seed(seed);
    let hooks = Hooks::new()?;
    let (mut loaded, lines) = (0u32, rounds()? * PARAMETERS);
    let parameters = PARAMETERS_OF.len() - if numa::can_balance() { 0 } else { 2 };
    for done in 1..=lines {
        // Read the kernel log before it overwrites messages.
        if done % 250 == 0 {
            context.note(format!("{done} loads, {loaded} succeeded"))?;
        }
        let (name, key) = PARAMETERS_OF[rng.usize(..parameters)];
        let value = match name {
            "numa_stat" => number(&mut rng),
            _ => hooks.function(&mut rng),
        };
        let mut line = format!("{key}={value}").into_bytes();
        mutate(&mut rng, &mut line);
        // A parameter is a C string, so remove zero bytes.
        line.retain(|&byte| byte != 0);
        let path = module::file(name);
        let object = std::fs::File::open(&path)?;
        let text = std::ffi::CString::new(line)?;
        let flags = nix::kmod::ModuleInitFlags::empty();
        if nix::kmod::finit_module(&object, &text, flags).is_ok() {
            loaded += 1;
            cmd::run(&format!("rmmod {name}"))?;
        }
    }
    context.note(format!("{lines} loads, {loaded} succeeded"))?;
    library.unload()
}
