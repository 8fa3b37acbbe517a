// SPDX-License-Identifier: GPL-2.0

//! Lists the kernel's objects that user space can see, to find those that an operation leaves
//! behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::files;
use crate::roots::Roots;

/// The names of all objects, and the number of objects with each name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing(BTreeMap<String, usize>);

/// Files of procfs with one object in each line. A pair has the file's name and the index of the
/// word that is the object's name ([`None`] if it is the whole line).
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

/// Folders of sysfs, and the depth to which they are read.
const SYSFS: &[(&str, usize)] = &[
    ("block", 1),
    ("bus", 3),
    ("class", 2),
    ("fs", 2),
    ("kernel", 1),
    ("kernel/slab", 1),
    ("module", 1),
];

/// The folder in which SLUB keeps a link for each slab cache that it has merged with another one.
const MERGED: &str = "/sys/kernel/slab/";

/// The depth to which debugfs is read.
const DEBUGFS: usize = 3;

/// Folders of debugfs that change without the module under test.
const BUSY: &[&str] = &["slab", "tracing", "sched", "kmemleak", "memcg_slabinfo"];

/// `PF_KTHREAD`, `include/linux/sched.h`.
const KTHREAD: u64 = 0x0020_0000;

impl Listing {
    /// Returns the present objects. Entries that begin with one of `ignore` are left out.
    ///
    /// # Errors
    /// Returns an error if a file exists and cannot be read.
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

    /// Adds the task in `folder` if it is a kernel thread. Workers are left out, since the kernel
    /// creates and ends them at any time.
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
            // Links are not followed: they lead to devices, which another folder lists.
            let data = fs::symlink_metadata(&path);
            let is_folder = data.as_ref().is_ok_and(fs::Metadata::is_dir);
            // SLUB does not remove the link of a merged cache. It replaces the link when a cache
            // of the same name is created again (`sysfs_slab_alias()`).
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

    /// Returns the entries of which this listing has more than `before`, with a `+`, and those of
    /// which it has fewer, with a `-`.
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
