// SPDX-License-Identifier: GPL-2.0

//! Defines the arguments of `tackle hook add`, and converts them to a line for the module.

use anyhow::{anyhow, ensure, Context, Result};
use clap::{Args, ValueEnum};
use tackle_core::hooks::Returns;

/// What a hook does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Counts calls
    Count,
    /// Makes a histogram of the time from entry to exit
    Latency,
    /// Counts the values that are returned
    Return,
}

/// A hook to be.
#[derive(Args, Clone, Debug)]
pub struct NewHook {
    /// The function; MODULE:FUNCTION where several have the name
    pub function: String,
    /// What the hook does
    pub kind: Kind,
    /// The hook's name [default: FUNCTION_KIND]
    #[arg(long)]
    pub name: Option<String>,
    /// Look at the calls of this thread only
    #[arg(long, value_name = "TID", value_parser = clap::value_parser!(i32).range(0..))]
    pub pid: Option<i32>,
    /// Look at the calls of this process only
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(0..))]
    pub tgid: Option<i32>,
    /// Look at the calls of this process and its descendants only
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(0..))]
    pub tree: Option<i32>,
    /// Look at the calls of this cgroup and its descendants only, such as /system.slice
    #[arg(long, value_name = "PATH")]
    pub cgroup: Option<String>,
    /// Look at the calls on these CPUs only, such as 0-3,6
    #[arg(long, value_name = "LIST")]
    pub cpu: Option<String>,
    /// Which of several functions of this name, from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub position: Option<u32>,
    /// The type of what the function returns [default: what BTF says]
    #[arg(long, value_name = "TYPE", value_parser = Returns::words())]
    pub returns: Option<String>,
    /// Wait for the function's module, if it is not loaded
    #[arg(long)]
    pub when_loaded: bool,
    /// Also hook the clones that the compiler has made of the function, such as f.part.0
    #[arg(long)]
    pub clones: bool,
}

impl NewHook {
    /// Returns the line that the module reads from its file `add`.
    ///
    /// # Errors
    /// Returns an error if an argument is empty or contains white space, since the module would
    /// read it as no word or as several words.
    pub fn line(&self) -> Result<String> {
        check_word("a function's name", &self.function)?;
        let kind = self.kind.to_possible_value().context("a kind has a name")?;
        let mut words = vec![format!("{} {}", self.function, kind.get_name())];
        if let Some(name) = &self.name {
            check_word("a hook's name", name)?;
            words.push(format!("name={name}"));
        }
        words.extend(self.pid.map(|pid| format!("pid={pid}")));
        words.extend(self.tgid.map(|tgid| format!("tgid={tgid}")));
        words.extend(self.tree.map(|tree| format!("tree={tree}")));
        if let Some(path) = &self.cgroup {
            check_word("a cgroup's path", path)?;
            words.push(format!("cgroup={path}"));
        }
        if let Some(cpus) = &self.cpu {
            check_word("a list of CPUs", cpus)?;
            words.push(format!("cpu={cpus}"));
        }
        words.extend(self.position.map(|position| format!("position={position}")));
        let returns = self.returns.as_ref();
        words.extend(returns.map(|returns| format!("returns={returns}")));
        words.extend(self.when_loaded.then(|| "when_loaded".to_owned()));
        Ok(words.join(" "))
    }
}

/// Returns the name that the module gives to the hook of `line`.
///
/// # Errors
/// Returns an error if the module would refuse the line, with the same text as the module's.
pub fn name(line: &str) -> Result<String> {
    let request = tackle_core::hooks::Request::parse(line);
    let request = request.map_err(|error| anyhow!("{error}"))?;
    Ok(request.hook_name().to_string())
}

/// Checks that `word` is one word.
///
/// # Errors
/// Returns an error if `word` is empty or contains white space.
pub fn check_word(what: &str, word: &str) -> Result<()> {
    let is_word = !word.is_empty() && !word.contains(char::is_whitespace);
    ensure!(is_word, "{what} is one word, not {word:?}");
    Ok(())
}
