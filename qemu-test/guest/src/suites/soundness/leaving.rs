// SPDX-License-Identifier: GPL-2.0

//! Tests what modules leave behind, and users of modules that are being unloaded.

use std::fs::OpenOptions;
use std::io::Write;
use std::thread;
use std::time::Duration;

use anyhow::{ensure, Context as _, Result};
use nix::errno::Errno;

use crate::suite::{skip, Context};
use crate::sys::dummy::Dummy;
use crate::sys::{cmd, debugfs, ftrace, kmsg, module, wait_for};

const MODULE: &str = "left_behind";
const BUSY: &str = "redirect_busy";
/// The time limit for operations that normally take a moment.
const LIMIT: Duration = Duration::from_secs(30);

fn file() -> std::path::PathBuf {
    debugfs::tackle(MODULE).join("file")
}

/// Returns whether `module` is being unloaded, or its init function has failed.
fn leaves(module: &str) -> Result<bool> {
    let modules = debugfs::read("/proc/modules")?;
    let leaves = |line: &str| line.starts_with(module) && line.contains("Unloading");
    Ok(modules.lines().any(leaves))
}

/// Waits until the log has `text`.
fn told(log: &mut kmsg::Cursor, text: &str) -> Result<()> {
    wait_for(&format!("'{text}' in the log"), LIMIT, || {
        let records = log.read()?;
        let told = records.iter().any(|record| record.text.contains(text));
        Ok(told.then_some(()))
    })
}

/// Tests that a module whose init function fails waits for its users. The module loader would free
/// it regardless of users.
pub fn a_failed_init_waits_for_its_users(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let device = Dummy::new("left0", 61)?;
    let mut log = kmsg::Cursor::now()?;
    let answer = thread::scope(|scope| {
        let insmod = scope.spawn(|| module::insmod(MODULE, "how=fail"));
        let users = || -> Result<_> {
            wait_for("the module's file", LIMIT, || {
                Ok(file().exists().then_some(()))
            })?;
            let open = OpenOptions::new().write(true).open(file())?;
            cmd::run("tc qdisc add dev left0 root left_behind")?;
            Ok(open)
        };
        // Write and close the files even after an error, because the thread waits for both.
        let open = users();
        let mut early = true;
        let mut tell = || -> Result<()> {
            OpenOptions::new()
                .write(true)
                .open(file())?
                .write_all(b"1")?;
            wait_for("the module on its way out", LIMIT, || {
                Ok(leaves(MODULE)?.then_some(()))
            })?;
            told(&mut log, "waiting for 2 users of it")?;
            early = insmod.is_finished();
            Ok(())
        };
        let result = tell();
        let open = open.map(drop);
        let deleted = cmd::run("tc qdisc del dev left0 root");
        let answer = insmod.join();
        open.and(result)?;
        deleted?;
        ensure!(!early, "the module went while somebody used it");
        answer.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    ensure!(
        answer.as_ref().err() == Some(&Errno::EIO),
        "expected EIO, got {answer:?}"
    );
    ensure!(!module::is_loaded(MODULE)?, "the module is there");
    let kind = cmd::output("tc qdisc add dev left0 root left_behind")?;
    ensure!(kind.code != 0, "its kind of qdisc is there");
    drop(device);
    library.unload()
}

/// Tests that objects are removed that a module creates while its other objects are being removed.
pub fn what_comes_late_goes_as_well(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let answer = thread::scope(|scope| {
        let insmod = scope.spawn(|| module::insmod(MODULE, "how=late"));
        let written = wait_for("the module's file", LIMIT, || {
            Ok(file().exists().then_some(()))
        })
        .and_then(|()| {
            let mut open = OpenOptions::new().write(true).open(file())?;
            Ok(open.write_all(b"1")?)
        });
        let answer = insmod.join();
        written?;
        answer.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    ensure!(
        answer.as_ref().err() == Some(&Errno::EIO),
        "expected EIO, got {answer:?}"
    );
    for name in [MODULE, "left_late"] {
        ensure!(!debugfs::tackle(name).exists(), "{name} is there");
    }
    library.unload()
}

/// Tests that objects that a module never drops are removed with it, since they refer to its code.
pub fn what_is_forgotten_goes_with_its_module(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let device = Dummy::new("left0", 61)?;
    // Do this twice, to check that nothing of the first time remains.
    for _ in 0..2 {
        let mut log = kmsg::Cursor::now()?;
        let forget = module::load(MODULE, "how=forget")?;
        debugfs::set(file(), "1")?;
        cmd::run("tc qdisc add dev left0 root left_behind")?;
        cmd::run("tc qdisc del dev left0 root")?;
        forget.unload()?;
        ensure!(!file().exists(), "its file is there");
        let kind = cmd::output("tc qdisc add dev left0 root left_behind")?;
        ensure!(kind.code != 0, "its kind of qdisc is there");
        let records = log.read()?;
        for what in ["files", "registrations", "kinds of shadow variables"] {
            let text = format!("{MODULE} has gone without its 1 {what}");
            kmsg::expect(&records, &text)?;
        }
    }
    drop(device);
    library.unload()
}

/// Tests that a packet does not leave after a reset. The device may then have fewer queues than the
/// packet's queue number.
pub fn packets_do_not_leave_after_a_reset(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let device = Dummy::new("left0", 61)?;
    let forget = module::load(MODULE, "how=forget")?;
    cmd::run("tc qdisc add dev left0 root left_behind")?;
    device.send(3)?;
    let mut log = kmsg::Cursor::now()?;
    cmd::run("ip link set left0 down")?;
    cmd::run("ip link set left0 up")?;
    told(&mut log, "left_behind: a reset has kept packets")?;
    device.send(3)?;
    cmd::run("tc qdisc del dev left0 root")?;
    // This parent calls the function in the ops.
    cmd::run("tc qdisc add dev left0 root handle 1: netem")?;
    cmd::run("tc qdisc add dev left0 parent 1: handle 2: left_behind")?;
    device.send(3)?;
    cmd::run("ip link set left0 down")?;
    cmd::run("ip link set left0 up")?;
    told(&mut log, "left_behind: a reset has kept packets")?;
    device.send(3)?;
    let shown = cmd::run("tc -s qdisc show dev left0")?;
    let of_child = shown.split("left_behind").nth(1).unwrap_or_default();
    ensure!(of_child.contains("Sent 0 bytes 0 pkt"), "{shown}");
    cmd::run("tc qdisc del dev left0 root")?;
    forget.unload()?;
    drop(device);
    library.unload()
}

/// Tests that a redirection that a module forgets waits for tasks that sleep in its replacement,
/// since they return to its code.
pub fn a_forgotten_redirection_waits_for_sleepers(_: &mut Context<'_>) -> Result<()> {
    const FUNCTION: &str = "cmdline_proc_show";
    let library = module::library()?;
    let busy = module::load(BUSY, "how=forget")?;
    let mut log = kmsg::Cursor::now()?;
    let reader = cmd::start("cat /proc/cmdline")?;
    let stack = format!("/proc/{}/stack", reader.0.id());
    let mark = format!("[{BUSY}]");
    wait_for("a task in the replacement", LIMIT, || {
        Ok(debugfs::read(&stack)?.contains(&mark).then_some(()))
    })?;
    thread::scope(|scope| {
        let unload = scope.spawn(|| busy.unload());
        let told = told(&mut log, "cmdline_proc_show: waiting for 1 calls");
        let early = unload.is_finished();
        // Kill the reader even after an error, because the thread waits for its end.
        drop(reader);
        let unloaded = unload.join();
        told?;
        ensure!(!early, "the module went while a task was in it");
        unloaded.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    ftrace::expect_bare(FUNCTION)?;
    library.unload()
}

/// Tests that an open file keeps its module loaded, since the file's `release` is the module's
/// code.
pub fn an_open_file_keeps_its_module(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack("hook_count", "function=vfs_read")?;
    let open = OpenOptions::new()
        .read(true)
        .open(debugfs::tackle("hook_count/calls"))?;
    let answer = module::rmmod_once("hook_count");
    ensure!(
        answer == Err(Errno::EAGAIN),
        "expected a refusal, got {answer:?}"
    );
    drop(open);
    stack.unload()
}

/// Does the same for files of `kernel::debugfs` itself, which our patch to the kernel fixes.
pub fn the_kernels_own_files_keep_their_module(_: &mut Context<'_>) -> Result<()> {
    const SAMPLE: &str = "rust_debugfs_scoped";
    if cmd::output(&format!("modinfo {SAMPLE}"))?.code != 0 {
        return skip("the kernel has no rust_debugfs_scoped.ko");
    }
    cmd::run(&format!("modprobe {SAMPLE}"))?;
    let open = OpenOptions::new()
        .write(true)
        .open("/sys/kernel/debug/rust_scoped_debugfs/control/create")
        .context("cannot open the sample's file")?;
    let answer = module::rmmod_once(SAMPLE);
    drop(open);
    ensure!(
        answer == Err(Errno::EAGAIN),
        "expected a refusal, got {answer:?}"
    );
    cmd::run(&format!("rmmod {SAMPLE}"))?;
    Ok(())
}
