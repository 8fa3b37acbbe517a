// SPDX-License-Identifier: GPL-2.0

//! Stores how long each part of a run took the last time. A run starts with the longest parts,
//! because a long part that started last would run alone at the end.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;

use crate::rundir::replace;

/// The times of a cache folder, in seconds, by the names of the parts.
#[derive(Debug)]
pub struct Times {
    path: PathBuf,
    seconds: Mutex<BTreeMap<String, f64>>,
}

impl Times {
    /// Reads the file `times.json` in `folder`. If there is no file, or its contents are invalid,
    /// no time is known.
    pub fn load(folder: &Path) -> Self {
        let path = folder.join("times.json");
        let text = fs::read_to_string(&path).unwrap_or_default();
        Self {
            path,
            seconds: Mutex::new(serde_json::from_str(&text).unwrap_or_default()),
        }
    }

    /// Sorts parts by their last time, the longest first. Parts without a known time come first, in
    /// their order.
    pub fn sort<T>(&self, parts: &mut [T], name: impl Fn(&T) -> String) {
        let seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        let last = |part: &T| seconds.get(&name(part)).copied().unwrap_or(f64::INFINITY);
        parts.sort_by(|a, b| last(b).total_cmp(&last(a)));
    }

    /// Records how long a part took.
    pub fn note(&self, name: &str, time: Duration) {
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        seconds.insert(name.to_owned(), time.as_secs_f64().round());
    }

    /// Writes the file. If two runs write the file, that of the last one remains.
    ///
    /// # Errors
    /// Fails when the file cannot be written; the message names the file.
    pub fn save(&self) -> Result<()> {
        let seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        let text = serde_json::to_string_pretty(&*seconds)?;
        replace(&self.path, &format!("{text}\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(times: &Times, parts: &[&'static str]) -> Vec<&'static str> {
        let mut parts = parts.to_vec();
        times.sort(&mut parts, |part| (*part).to_owned());
        parts
    }

    #[test]
    fn the_longest_and_the_unknown_come_first() {
        let dir = tempfile::tempdir().unwrap();
        let times = Times::load(dir.path());
        assert_eq!(sorted(&times, &["b", "a"]), ["b", "a"]);
        times.note("short", Duration::from_secs(2));
        times.note("long", Duration::from_secs(20));
        times.save().unwrap();
        let times = Times::load(dir.path());
        assert_eq!(
            sorted(&times, &["short", "long", "new", "newer"]),
            ["new", "newer", "long", "short"]
        );
    }

    #[test]
    fn nonsense_is_no_time() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("times.json"), "{\"a\": ").unwrap();
        let times = Times::load(dir.path());
        assert_eq!(sorted(&times, &["a", "b"]), ["a", "b"]);
    }
}
