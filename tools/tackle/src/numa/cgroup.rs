// SPDX-License-Identifier: GPL-2.0

//! Converts between paths and ids of cgroups. The id is the inode number of a cgroup's folder.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{ensure, Context, Result};

use crate::roots::Roots;

/// The cgroups of version 2, below their root folder.
#[derive(Clone, Debug)]
pub struct Cgroups {
    root: PathBuf,
}

impl Cgroups {
    /// Returns the cgroups of the kernel at `roots`.
    pub fn new(roots: &Roots) -> Self {
        let root = roots.sys.join("fs/cgroup");
        // If both versions are in use, version 2 is mounted on this folder.
        let unified = root.join("unified");
        let is_mixed = unified.is_dir() && !root.join("cgroup.controllers").exists();
        Self {
            root: if is_mixed { unified } else { root },
        }
    }

    /// Returns the path of a cgroup in the kernel's notation: relative to the root cgroup `/`.
    /// `text` may also begin with the mount point of cgroups.
    ///
    /// # Errors
    /// Returns an error if there is no such cgroup.
    pub fn path(&self, text: &str) -> Result<String> {
        let below = Path::new(text).strip_prefix(&self.root).ok();
        let below = below.and_then(Path::to_str).unwrap_or(text);
        let words: Vec<_> = below.split('/').filter(|word| !word.is_empty()).collect();
        let is_plain = !words.iter().any(|word| matches!(*word, "." | ".."))
            && !below.contains(char::is_control);
        let path = format!("/{}", words.join("/"));
        let is_there = is_plain && self.folder(&path).is_dir();
        ensure!(is_there, "no cgroup {text:?} in {}", self.root.display());
        Ok(path)
    }

    fn folder(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Returns the ids of a cgroup and of all cgroups below it.
    ///
    /// # Errors
    /// Returns the errors of [`path`](Self::path), and an error if a folder cannot be read.
    pub fn below(&self, text: &str) -> Result<BTreeSet<u64>> {
        let path = self.path(text)?;
        Ok(self.walk(&path)?.into_keys().collect())
    }

    /// Returns the path of each cgroup by its id. The map is empty without cgroups of version 2.
    ///
    /// # Errors
    /// Returns an error if the folder of a cgroup cannot be read.
    pub fn all(&self) -> Result<BTreeMap<u64, String>> {
        if !self.root.is_dir() {
            return Ok(BTreeMap::new());
        }
        self.walk("/")
    }

    fn walk(&self, path: &str) -> Result<BTreeMap<u64, String>> {
        let top = self.folder(path);
        let about = || format!("cannot read {}", top.display());
        let id = fs::metadata(&top).with_context(about)?.ino();
        let mut found = BTreeMap::from([(id, path.to_owned())]);
        let mut left = vec![path.to_owned()];
        while let Some(path) = left.pop() {
            let below = match folders(&self.folder(&path)) {
                // A cgroup can be removed at any time.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                below => below.with_context(about)?,
            };
            for (id, name) in below {
                let path = format!("{}/{name}", path.trim_end_matches('/'));
                found.insert(id, path.clone());
                left.push(path);
            }
        }
        Ok(found)
    }
}

/// Returns the inode numbers and names of the folders in a folder.
fn folders(path: &Path) -> io::Result<Vec<(u64, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let name = entry.file_name().to_string_lossy().into_owned();
            found.push((entry.ino(), name));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroups_are_found_by_path_and_id() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots {
            sys: dir.path().into(),
            proc: dir.path().into(),
            root: dir.path().into(),
        };
        fs::create_dir_all(dir.path().join("fs/cgroup/a/b")).unwrap();
        fs::create_dir_all(dir.path().join("fs/cgroup/ab")).unwrap();
        let cgroups = Cgroups::new(&roots);
        let all = cgroups.all().unwrap();
        let paths: BTreeSet<_> = all.values().map(String::as_str).collect();
        assert_eq!(paths, BTreeSet::from(["/", "/a", "/a/b", "/ab"]));
        let mounted = dir.path().join("fs/cgroup/a");
        for text in ["/a", "a", "a/", mounted.to_str().unwrap()] {
            assert_eq!(cgroups.path(text).unwrap(), "/a");
        }
        assert_eq!(cgroups.path("/").unwrap(), "/");
        for wrong in ["/c", "../cgroup/a", "a\nb"] {
            assert!(cgroups.path(wrong).is_err(), "{wrong}");
        }
        let below = cgroups.below("/a").unwrap();
        let below: Vec<_> = below.iter().map(|id| all[id].as_str()).collect();
        assert_eq!(below.len(), 2);
        assert!(below.contains(&"/a/b"));
    }
}
