// SPDX-License-Identifier: GPL-2.0

//! Reads the files of `numa_balance`.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::debugfs;

/// The module.
pub const MODULE: &str = "numa_balance";

/// A decision about a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    words: BTreeMap<String, String>,
    /// The reason as a sentence.
    pub why: String,
}

impl Decision {
    fn parse(line: &str) -> Result<Self> {
        let (words, why) = line.split_once(" why=").context("a line without why=")?;
        let pairs = words.split(' ').map(|word| word.split_once('='));
        let pairs: Option<Vec<_>> = pairs.collect();
        let pairs = pairs.with_context(|| format!("not KEY=VALUE: '{line}'"))?;
        let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        Ok(Self {
            words: pairs.into_iter().map(own).collect(),
            why: why.to_owned(),
        })
    }

    /// Returns the value of a key, which is empty if the line does not have the key.
    pub fn word(&self, key: &str) -> &str {
        self.words.get(key).map_or("", String::as_str)
    }

    /// Returns the ID of the task.
    pub fn pid(&self) -> u32 {
        self.word("pid").parse().unwrap_or(0)
    }
}

/// Reads `decisions` or `plan`.
///
/// # Errors
///
/// The module is not loaded, or a line has another form.
pub fn decisions(file: &str) -> Result<Vec<Decision>> {
    let text = debugfs::read(debugfs::tackle(&format!("{MODULE}/{file}")))?;
    text.lines().map(Decision::parse).collect()
}

/// Returns the plan's decision about a task, or [`None`] if the task is not in the plan.
///
/// # Errors
///
/// The errors are those of [`decisions`].
pub fn planned(pid: u32) -> Result<Option<Decision>> {
    let plan = decisions("plan")?;
    Ok(plan.into_iter().find(|decision| decision.pid() == pid))
}

/// Reads a number of `status` or `reasons`.
///
/// # Errors
///
/// The module is not loaded, or the file has no such number.
pub fn number(file: &str, name: &str) -> Result<u64> {
    debugfs::number(debugfs::tackle(&format!("{MODULE}/{file}")), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_words_and_a_sentence() {
        let line = "ms=1 pid=12 tgid=12 comm=a node=0 action=move target=1 reason=follows_memory \
                    why=follows its memory: 83 % of its faults are on node 1";
        let decision = Decision::parse(line).unwrap();
        assert_eq!((decision.pid(), decision.word("action")), (12, "move"));
        assert!(decision.why.ends_with("83 % of its faults are on node 1"));
        assert_eq!(decision.word("with"), "");
        assert!(Decision::parse("pid=1").is_err());
        assert!(Decision::parse("pid why=x").is_err());
    }
}
