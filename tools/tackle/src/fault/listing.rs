// SPDX-License-Identifier: GPL-2.0

//! What user space can see of the kernel's objects, to find those that an operation leaves behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::files;
use crate::roots::Roots;

/// Each object, and how many of its name there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing(BTreeMap<String, usize>);

/// Files of procfs with an object in each line: the name, and which word of a line it is
/// ([`None`] for the whole line).
const TABLES: &[(&str, Option<usize>)] = &[
    ("filesystems", None),
    ("devices", None),
    ("misc", None),
    ("mounts", None),
    ("net/dev", Some(0)),
    ("net/protocols", Some(0)),
    ("net/ptype", None),
    ("swaps", Some(0)),
    ("modules", Some(0)),
];

/// Folders of sysfs, and how deep they are read.
const SYSFS: &[(&str, usize)] = &[
    ("block", 1),
    ("bus", 3),
    ("class", 2),
    ("fs", 2),
    ("kernel", 1),
    ("kernel/slab", 1),
    ("module", 1),
];

/// Where SLUB has a link for each slab cache that it has merged with another one.
const MERGED: &str = "/sys/kernel/slab/";

/// How deep debugfs is read.
const DEBUGFS: usize = 3;

/// Folders of debugfs that others than the module under test change.
const BUSY: &[&str] = &["slab", "tracing", "sched", "kmemleak", "memcg_slabinfo"];

/// `PF_KTHREAD`, `include/linux/sched.h`.
const KTHREAD: u64 = 0x0020_0000;

impl Listing {
    /// The objects that there are now. Entries that begin with one of `ignore` are left out.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn now(roots: &Roots, modules: &[String], ignore: &[String]) -> Result<Self> {
        let mut listing = Self::default();
        for (table, word) in TABLES {
            listing.table(&roots.proc.join(table), table, *word)?;
        }
        for module in modules {
            let uses = files::read(&roots.module(module).join("refcnt"))?;
            if let Some(uses) = uses {
                listing.add(format!("module {module} is used {uses} times"));
            }
        }
        for name in files::names(&roots.proc)? {
            if name.parse::<u32>().is_ok() {
                listing.thread(&roots.proc.join(name))?;
            } else {
                listing.add(format!("/proc/{name}"));
            }
        }
        for folder in ["fs", "driver", "net"] {
            listing.folder(&roots.proc.join(folder), &format!("/proc/{folder}"), 2, &[])?;
        }
        for (folder, depth) in SYSFS {
            listing.folder(
                &roots.sys.join(folder),
                &format!("/sys/{folder}"),
                *depth,
                &[],
            )?;
        }
        listing.folder(&roots.debugfs(), "/sys/kernel/debug", DEBUGFS, BUSY)?;
        listing
            .0
            .retain(|entry, _| !ignore.iter().any(|start| entry.starts_with(start)));
        Ok(listing)
    }

    fn add(&mut self, entry: String) {
        *self.0.entry(entry).or_default() += 1;
    }

    fn table(&mut self, path: &Path, name: &str, word: Option<usize>) -> Result<()> {
        let text = files::read(path)?.unwrap_or_default();
        for line in text.lines() {
            let entry = match word {
                None => Some(line.trim()),
                Some(word) => line.split_whitespace().nth(word),
            };
            let entry = entry.filter(|entry| !entry.is_empty());
            entry
                .into_iter()
                .for_each(|entry| self.add(format!("/proc/{name}: {entry}")));
        }
        Ok(())
    }

    /// Adds a thread of the kernel. Workers come and go by themselves.
    fn thread(&mut self, folder: &Path) -> Result<()> {
        let stat = files::read(&folder.join("stat"))?.unwrap_or_default();
        let Some((start, rest)) = stat.rsplit_once(')') else {
            return Ok(());
        };
        let flags = rest
            .split_whitespace()
            .nth(6)
            .and_then(|word| word.parse::<u64>().ok());
        let name = start.split_once('(').map_or("", |(_, name)| name);
        if flags.is_some_and(|flags| flags & KTHREAD != 0) && !name.starts_with("kworker/") {
            self.add(format!("thread {name}"));
        }
        Ok(())
    }

    fn folder(&mut self, path: &Path, shown: &str, depth: usize, leave: &[&str]) -> Result<()> {
        for name in files::names(path)? {
            if leave.contains(&name.as_str()) {
                continue;
            }
            let (path, shown) = (path.join(&name), format!("{shown}/{name}"));
            // Links lead to devices, of which another folder has the names.
            let data = fs::symlink_metadata(&path);
            let is_folder = data.as_ref().is_ok_and(fs::Metadata::is_dir);
            // SLUB leaves the link of a merged cache behind, and replaces it when a cache of the
            // name is created again (`sysfs_slab_alias()`).
            if data.is_ok_and(|data| data.is_symlink()) && shown.starts_with(MERGED) {
                continue;
            }
            if depth > 1 && is_folder {
                self.folder(&path, &shown, depth - 1, &[])?;
            }
            self.add(shown);
        }
        Ok(())
    }

    /// What this has and `before` has not, with a `+`, and the reverse with a `-`.
    pub fn difference(&self, before: &Self) -> Vec<String> {
        let count = |listing: &Self, entry: &str| listing.0.get(entry).copied().unwrap_or(0);
        let mut entries: Vec<_> = self.0.keys().chain(before.0.keys()).collect();
        entries.sort_unstable();
        entries.dedup();
        let sign = |entry: &str| match count(self, entry).cmp(&count(before, entry)) {
            std::cmp::Ordering::Less => Some('-'),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some('+'),
        };
        let signed = entries
            .into_iter()
            .filter_map(|entry| Some((sign(entry)?, entry)));
        signed
            .map(|(sign, entry)| format!("{sign} {entry}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_have_a_sign() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::under(dir.path());
        let put = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("proc/misc", " 60 tackle\n");
        put("proc/7/stat", "7 (my thread) S 2 0 0 0 -1 2129984 0 0\n");
        put("proc/8/stat", "8 (kworker/0:1) I 2 0 0 0 -1 2129984 0 0\n");
        put("proc/9/stat", "9 (bash) S 2 0 0 0 -1 4194560 0 0\n");
        put("sys/module/a/refcnt", "1\n");
        put("sys/kernel/debug/slab/x/y", "");
        let listing = || Listing::now(&roots, &["a".into()], &["/proc/net".into()]).unwrap();
        let before = listing();
        assert!(before.0.contains_key("thread my thread"), "{before:?}");
        assert_eq!(
            before
                .0
                .keys()
                .filter(|entry| entry.starts_with("thread"))
                .count(),
            1
        );
        put("sys/kernel/debug/left/file", "");
        put("proc/net/dev", "dev0: 1\n");
        put("sys/module/a/refcnt", "2\n");
        fs::remove_file(dir.path().join("proc/misc")).unwrap();
        assert_eq!(
            listing().difference(&before),
            [
                "- /proc/misc",
                "- /proc/misc: 60 tackle",
                "+ /sys/kernel/debug/left",
                "+ /sys/kernel/debug/left/file",
                "- module a is used 1 times",
                "+ module a is used 2 times",
            ]
        );
        assert!(listing().difference(&listing()).is_empty());
    }
}
