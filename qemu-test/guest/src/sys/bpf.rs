// SPDX-License-Identifier: GPL-2.0

//! Loads BPF programs with the distribution's bpftool, which attaches each program as named by its
//! section.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{ensure, Context, Result};
use serde::Deserialize;

use super::{cmd, debugfs, module};

/// The mount point of the file system for links. Programs are attached while it is mounted.
const MOUNT: &str = "/run/bpf";

/// The programs of an object, which are attached until this is dropped.
pub struct Attached(());

impl Attached {
    /// Loads `programs` programs from `/tackle/NAME-PROGRAMS.bpf.o`.
    ///
    /// # Errors
    ///
    /// The kernel or bpftool refuses one of them; the message has libbpf's reason.
    pub fn load(name: &str, programs: u32) -> Result<Self> {
        let object = module::file(name).with_file_name(format!("{name}-{programs}.bpf.o"));
        fs::create_dir_all(MOUNT).with_context(|| format!("cannot make {MOUNT}"))?;
        cmd::run(&format!("mount -t bpf bpf {MOUNT}"))?;
        let attached = Self(());
        let pins = format!("{MOUNT}/{name}");
        let object = object.display();
        cmd::run(&format!("bpftool prog loadall {object} {pins} autoattach"))?;
        let count = fs::read_dir(&pins).with_context(|| format!("cannot read {pins}"))?;
        let count = count.count();
        ensure!(
            count == programs as usize,
            "expected {programs} links in {pins}, got {count}"
        );
        Ok(attached)
    }
}

/// A table of operations (`struct_ops`) whose functions are BPF programs. It is registered until
/// this is dropped.
pub struct StructOps(&'static str);

impl StructOps {
    /// Loads the table with the name `table` in `/tackle/NAME.bpf.o`.
    ///
    /// # Errors
    ///
    /// The errors are those of [`Attached::load`].
    pub fn register(name: &str, table: &'static str) -> Result<Self> {
        let object = module::file(name).with_file_name(format!("{name}.bpf.o"));
        // libbpf reads the kernel's config from this file, since programs can use its options.
        let config = format!("/boot/config-{}", cmd::run("uname -r")?.trim());
        if !Path::new(&config).exists() {
            fs::create_dir_all("/boot").context("cannot make /boot")?;
            symlink(object.with_file_name("config"), &config)
                .with_context(|| format!("cannot make {config}"))?;
        }
        cmd::run(&format!("bpftool struct_ops register {}", object.display()))?;
        Ok(Self(table))
    }
}

impl Drop for StructOps {
    fn drop(&mut self) {
        if let Err(error) = cmd::run(&format!("bpftool struct_ops unregister name {}", self.0)) {
            eprintln!("{error:#}");
        }
    }
}

/// Counts how often each program runs from now on. This makes programs slower.
///
/// # Errors
///
/// The kernel refuses.
pub fn count_runs() -> Result<()> {
    debugfs::set("/proc/sys/kernel/bpf_stats_enabled", "1")
}

/// Returns how often the only program of this name has run since [`count_runs`].
///
/// # Errors
///
/// There is no such program, or more than one.
pub fn runs(program: &str) -> Result<u64> {
    #[derive(Deserialize)]
    struct Shown {
        /// bpftool leaves this out before the first run.
        #[serde(default)]
        run_cnt: u64,
    }
    let text = cmd::run(&format!("bpftool --json prog show name {program}"))?;
    let shown: Shown = serde_json::from_str(&text).with_context(|| format!("odd: '{text}'"))?;
    Ok(shown.run_cnt)
}

impl Drop for Attached {
    fn drop(&mut self) {
        if let Err(error) = cmd::run(&format!("umount {MOUNT}")) {
            eprintln!("{error:#}");
        }
    }
}

/// Returns whether the kernel has the types (BTF) of a loaded module, or its own (`vmlinux`),
/// without which an fentry program cannot be attached to functions there.
pub fn has_btf(module: &str) -> bool {
    Path::new("/sys/kernel/btf").join(module).exists()
}
