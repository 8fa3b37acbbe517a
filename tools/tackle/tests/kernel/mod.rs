// SPDX-License-Identifier: GPL-2.0

//! Implements a fake kernel with live patches: a folder with files of sysfs and procfs. A
//! transition ends after a given number of progress reports.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{bail, Result};
use tackle_cli::patch::change::Change;
use tackle_cli::patch::modules::{Modules, Source};
use tackle_cli::patch::progress::Watcher;
use tackle_cli::patch::tasks::Census;
use tackle_cli::patch::transition::Wishes;
use tackle_cli::patch::{Patch, Patches};

use crate::fake::{put, Fake};

/// The patch that the fake kernel can load.
pub const NAME: &str = "livepatch_a";

/// A fake kernel. `looks` has the progress reports after which a transition ends, for disabling
/// and enabling; with 0 it never ends.
pub struct Kernel {
    pub fake: Fake,
    looks: [usize; 2],
    log: RefCell<Vec<String>>,
}

impl Kernel {
    /// Returns a kernel whose transitions end at the second progress report.
    pub fn new() -> Self {
        let fake = Fake::new();
        fs::create_dir_all(fake.roots.livepatch()).unwrap();
        Self {
            fake,
            looks: [2, 2],
            log: RefCell::default(),
        }
    }

    /// Sets the numbers of progress reports for disabling and enabling.
    pub fn looks(mut self, out: usize, into: usize) -> Self {
        self.looks = [out, into];
        self
    }

    pub fn file(&self, patch: &str, file: &str) -> PathBuf {
        self.fake.roots.livepatch().join(patch).join(file)
    }

    pub fn patch(self, name: &str, enabled: bool, transition: bool) -> Self {
        self.add(name, enabled, transition);
        self
    }

    pub fn add(&self, name: &str, enabled: bool, transition: bool) {
        put(
            self.file(name, "enabled"),
            &format!("{}\n", u8::from(enabled)),
        );
        put(
            self.file(name, "transition"),
            &format!("{}\n", u8::from(transition)),
        );
        put(self.file(name, "replace"), "0\n");
        put(self.file(name, "stack_order"), "1\n");
        put(self.file(name, "vmlinux/patched"), "1\n");
        fs::create_dir_all(self.file(name, "vmlinux/do_it,1")).unwrap();
        fs::create_dir_all(self.file(name, "vmlinux/do_more,2")).unwrap();
        self.module(name, "OK");
    }

    pub fn module(&self, name: &str, taint: &str) {
        let folder = self.fake.roots.module(name);
        put(folder.join("initstate"), "live\n");
        put(folder.join("refcnt"), "0\n");
        put(folder.join("taint"), &format!("{taint}\n"));
    }

    pub fn task(self, tid: i32, comm: &str, patch_state: i8, flags: u32, stack: &str) -> Self {
        let folder = self.fake.roots.proc.join(format!("{tid}/task/{tid}"));
        put(folder.join("patch_state"), &format!("{patch_state}\n"));
        put(folder.join("stack"), stack);
        let zeros = "0 ".repeat(43);
        let stat = format!("{tid} ({comm}) S 1 {tid} {tid} 0 -1 {flags} {zeros}\n");
        put(folder.join("stat"), &stat);
        self
    }

    pub fn change<T>(&self, timeout: Option<f64>, work: impl FnOnce(&Change<'_>) -> T) -> T {
        let patches = Patches::new(&self.fake.roots).unwrap();
        work(&Change {
            patches: &patches,
            modules: self,
            watch: self,
            wishes: Wishes {
                signal: false,
                timeout: timeout.map(Duration::from_secs_f64),
            },
        })
    }

    pub fn log(&self) -> Vec<String> {
        self.log.take()
    }

    pub fn is_loaded(&self, name: &str) -> bool {
        self.fake.roots.module(name).exists()
    }
}

impl Watcher for Kernel {
    fn seen(&self, patch: &Patch, census: &Census) {
        let way = if patch.enabled { "in" } else { "out" };
        let line = format!("{way}: {} of {} left", census.left.len(), census.total);
        self.log.borrow_mut().push(line);
        let seen = self
            .log
            .borrow()
            .iter()
            .filter(|line| line.starts_with(way))
            .count();
        if seen != self.looks[usize::from(patch.enabled)] {
            return;
        }
        if patch.enabled {
            fs::write(self.file(&patch.name, "transition"), "0\n").unwrap();
        } else {
            fs::remove_dir_all(self.fake.roots.livepatch().join(&patch.name)).unwrap();
        }
    }

    fn note(&self, line: &str) {
        self.log.borrow_mut().push(line.to_owned());
    }
}

impl Modules for Kernel {
    fn find(&self, source: &Source) -> Result<()> {
        match source.name()?.as_str() {
            "loop" | NAME => Ok(()),
            name => bail!("{name} is not installed"),
        }
    }

    fn load(&self, source: &Source) -> Result<()> {
        let name = source.name()?;
        self.log.borrow_mut().push(format!("load {name}"));
        match name.as_str() {
            "loop" => self.module("loop", ""),
            NAME => self.add(NAME, true, true),
            _ => bail!("{name} not found"),
        }
        Ok(())
    }

    fn unload(&self, source: &Source) -> Result<()> {
        let name = source.name()?;
        self.log.borrow_mut().push(format!("unload {name}"));
        fs::remove_dir_all(self.fake.roots.module(&name))?;
        Ok(())
    }
}
