// SPDX-License-Identifier: GPL-2.0

//! Tests hooks that only see calls of a process tree, or of a cgroup.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{ensure, Context as _, Result};
use nix::errno::Errno;

use super::{add, calls, expect, path, MODULE, READ};
use crate::suite::Context;
use crate::sys::{cmd, debugfs, expect_errno, livepatch, module};

/// A shell that waits for a line before it continues.
struct Shell(cmd::Kept);

impl Shell {
    /// Starts a shell with a script that prints `ready` and then reads a line.
    fn start(script: &str) -> Result<Self> {
        let mut shell = Self(cmd::Kept(
            Command::new("sh")
                .args(["-c", script])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .context("cannot start a shell")?,
        ));
        let mut line = String::new();
        let out = shell.0 .0.stdout.as_mut().context("there is a pipe")?;
        // The script prints nothing more before it gets a line, so the buffered reader loses
        // nothing.
        BufReader::new(out).read_line(&mut line)?;
        ensure!(line == "ready\n", "the shell says {line:?}");
        Ok(shell)
    }

    fn pid(&self) -> u32 {
        self.0 .0.id()
    }

    /// Lets the shell continue, and waits until it and all its children have ended.
    fn finish(mut self) -> Result<()> {
        let mut input = self.0 .0.stdin.take().context("there is a pipe")?;
        input.write_all(b"go\n")?;
        let mut rest = String::new();
        let out = self.0 .0.stdout.as_mut().context("there is a pipe")?;
        out.read_to_string(&mut rest)?;
        Ok(())
    }
}

/// Calls `READ` once in each of: a child that exists before the filter, its child, a grandchild
/// whose parent does not wait for it, and then another child of the shell.
const FAMILY: &str = "sh -c 'echo ready; read go; cat /proc/cmdline; \
                      (sh -c \"sleep 0.2; cat /proc/cmdline; :\" &) ; cat /proc/cmdline'; \
                      cat /proc/cmdline";

pub fn counts_calls_of_a_tree(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    let (shell, other) = (Shell::start(FAMILY)?, Shell::start(FAMILY)?);
    add(&format!("{READ} count name=tree tree={}", shell.pid()))?;
    add(&format!("{READ} count name=all"))?;
    other.finish()?;
    livepatch::cmdline()?;
    expect("calls of the tree before any", calls("tree")?, 0)?;
    shell.finish()?;
    let counted = (calls("tree")?, calls("all")?);
    expect("calls of the tree and of all", counted, (4, 9))?;
    // All processes belong to the tree whose root is init.
    add(&format!("{READ} count name=init tree=1"))?;
    Shell::start(FAMILY)?.finish()?;
    livepatch::cmdline()?;
    expect("calls of the first process's tree", calls("init")?, 5)?;
    stack.unload()
}

/// A cgroup, which is removed when this is dropped. If cgroup2 is not mounted, this mounts it.
struct Cgroup(PathBuf);

impl Cgroup {
    const MOUNT: &'static str = "/sys/fs/cgroup";

    fn make(name: &str) -> Result<Self> {
        let root = Path::new(Self::MOUNT);
        if !root.join("cgroup.procs").exists() {
            cmd::run(&format!("mount -t cgroup2 none {}", Self::MOUNT))?;
        }
        let folder = root.join(name);
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }

    fn take(&self, shell: &Shell) -> Result<()> {
        debugfs::set(self.0.join("cgroup.procs"), &shell.pid().to_string())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // An error cannot be returned here. The cgroup remains if it still has tasks.
        let _ = fs::remove_dir(&self.0);
    }
}

/// Calls `READ` twice, each time in another process.
const TWICE: &str = "echo ready; read go; cat /proc/cmdline; cat /proc/cmdline; :";

pub fn counts_calls_of_a_cgroup(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    let above = Cgroup::make("tackle")?;
    let below = Cgroup::make("tackle/below")?;
    let beside = Cgroup::make("beside")?;
    for (name, path) in [
        ("above", "/tackle"),
        ("below", "/tackle/below"),
        ("root", "/"),
    ] {
        add(&format!("{READ} count name={name} cgroup={path}"))?;
    }
    let (first, second, third) = (
        Shell::start(TWICE)?,
        Shell::start(TWICE)?,
        Shell::start(TWICE)?,
    );
    above.take(&first)?;
    below.take(&second)?;
    beside.take(&third)?;
    let counted = || -> Result<_> { Ok((calls("above")?, calls("below")?, calls("root")?)) };
    expect("before any", counted()?, (0, 0, 0))?;
    first.finish()?;
    expect("from above", counted()?, (2, 0, 2))?;
    second.finish()?;
    expect("from below", counted()?, (4, 2, 4))?;
    third.finish()?;
    livepatch::cmdline()?;
    expect("from beside", counted()?, (4, 2, 7))?;
    // The hook must work without its cgroup.
    drop((below, above));
    livepatch::cmdline()?;
    expect("without the cgroup", counted()?, (4, 2, 8))?;
    stack.unload()
}

pub fn refuses_to_look_at_nobody(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    let group = Cgroup::make("tackle")?;
    for (filter, errno, text) in [
        ("tree=4194304", Errno::ESRCH, "there is no such process"),
        ("tree=4294967295", Errno::ESRCH, "there is no such process"),
        ("cgroup=/no-such", Errno::ENOENT, "there is no such cgroup"),
        (
            "cgroup=/cgroup.procs",
            Errno::ENOTDIR,
            "there is no such cgroup",
        ),
    ] {
        let line = format!("{READ} count {filter}");
        expect_errno(&line, debugfs::write(path("add"), &line)?, errno)?;
        let error = debugfs::read(path("error"))?;
        ensure!(
            error.contains(text) && error.contains(filter),
            "after '{line}' the error is '{error}'"
        );
    }
    expect("list", debugfs::read(path("list"))?, String::new())?;
    drop(group);
    stack.unload()
}
