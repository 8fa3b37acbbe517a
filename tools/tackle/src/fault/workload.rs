// SPDX-License-Identifier: GPL-2.0

//! Workloads: TOML files that name the module under test and the operations to fail.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{ensure, Context as _, Result};
use serde::Deserialize;

/// What is one fault point: the call in the module under test, or each stack that leads to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Context {
    /// The call.
    #[default]
    Site,
    /// The stack.
    Stack,
}

impl Context {
    /// The word of the injector for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Stack => "stack",
        }
    }
}

/// A step whose calls are failed. All commands are run by `sh -c`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Its name: letters, digits, `_` and `-`.
    pub name: String,
    /// What is failed.
    pub command: String,
    /// A command that succeeds if the operation is in effect.
    #[serde(default)]
    pub check: String,
    /// A command that puts the operation out of effect.
    #[serde(default)]
    pub undo: String,
    /// How long each command may take, in seconds.
    #[serde(default = "half_a_minute")]
    pub timeout: f64,
    /// How long after a fault the machine is compared, in seconds: for what the kernel does
    /// later, such as a timer.
    #[serde(default)]
    pub settle: f64,
    /// How often a fault is repeated if the operation takes memory of which the kernel shows sums
    /// alone, so that a leak stands out.
    #[serde(default = "sixteen")]
    pub repeat: u32,
    /// Texts of which a failed command prints one, such as `Cannot allocate memory`. With none,
    /// any error is a good one.
    #[serde(default)]
    pub errors: Vec<String>,
}

fn sixteen() -> u32 {
    16
}

fn half_a_minute() -> f64 {
    30.0
}

impl Operation {
    /// How long each command may take.
    pub fn limit(&self) -> Duration {
        Duration::from_secs_f64(self.timeout)
    }
}

/// The operations on modules.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// The modules under test: calls fail that have one of them on the stack.
    pub modules: Vec<String>,
    /// Their files, relative to the workload's folder; installed modules need none.
    #[serde(default)]
    pub files: Vec<PathBuf>,
    /// The functions and classes that fail; those that the injector selects by itself if empty.
    #[serde(default)]
    pub functions: Vec<String>,
    /// Other functions, as `FUNCTION:VALUE`.
    #[serde(default)]
    pub returns: Vec<String>,
    /// What a fault point is.
    #[serde(default)]
    pub context: Context,
    /// A command that is run once before all operations, and fails nothing.
    #[serde(default)]
    pub setup: String,
    /// A command that is run once after them.
    #[serde(default)]
    pub cleanup: String,
    /// Beginnings of entries in the comparison that may come and go.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// The operations. Those before the one whose calls fail are in effect.
    #[serde(rename = "operation")]
    pub operations: Vec<Operation>,
    /// The folder of its file, which is `$HERE` for all commands.
    #[serde(skip)]
    pub here: PathBuf,
}

/// As many modules as the injector takes.
const MODULES: usize = 4;

impl Workload {
    /// Reads a workload's file.
    ///
    /// # Errors
    /// When it cannot be read, or is no workload; the error says where.
    pub fn read(path: &Path) -> Result<(Self, String)> {
        let shown = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        let mut workload = Self::parse(&text).with_context(|| format!("{shown}"))?;
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        workload.here = fs::canonicalize(folder.unwrap_or(Path::new(".")))?;
        Ok((workload, text))
    }

    /// Reads a workload's text.
    ///
    /// # Errors
    /// When it is no workload.
    pub fn parse(text: &str) -> Result<Self> {
        let workload: Self = toml::from_str(text)
            .map_err(|error| anyhow::anyhow!("{}", error.to_string().trim().replace('\n', " ")))?;
        workload.check()?;
        Ok(workload)
    }

    /// The text of a workload that loads a module that is installed, and unloads it.
    pub fn plain(module: &str) -> String {
        let module = module.replace('-', "_");
        format!(
            "name = \"{module}\"\nmodules = [\"{module}\"]\n\n\
             [[operation]]\nname = \"load\"\ncommand = \"modprobe {module}\"\n\
             check = \"test -d /sys/module/{module}\"\nundo = \"rmmod {module}\"\n\n\
             [[operation]]\nname = \"unload\"\ncommand = \"rmmod {module}\"\n\
             undo = \"modprobe {module}\"\n"
        )
    }

    fn check(&self) -> Result<()> {
        let count = self.modules.len();
        ensure!(
            (1..=MODULES).contains(&count),
            "modules: {count} are named, 1 to {MODULES} are allowed"
        );
        ensure!(!self.operations.is_empty(), "there is no [[operation]]");
        let words = self
            .modules
            .iter()
            .chain(&self.functions)
            .chain(&self.returns);
        for word in words {
            ensure!(
                !word.is_empty() && !word.contains([' ', ',', '\n']),
                "'{word}' is no name: it is empty, or has a blank or a comma"
            );
        }
        let mut names = BTreeSet::new();
        for operation in &self.operations {
            let name = &operation.name;
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            ensure!(
                !name.is_empty() && name.chars().all(is_plain),
                "operation '{name}': a name has letters, digits, _ and - only"
            );
            ensure!(names.insert(name), "there are two operations '{name}'");
            ensure!(
                !operation.command.trim().is_empty(),
                "operation {name}: its command is empty"
            );
            let timeout = operation.timeout;
            ensure!(
                (0.1..=3600.0).contains(&timeout),
                "operation {name}: a timeout of {timeout} s; 0.1 to 3600 are allowed"
            );
            let repeat = operation.repeat;
            ensure!(
                repeat <= 1000,
                "operation {name}: repeat is {repeat}; 0 to 1000 are allowed"
            );
            let settle = operation.settle;
            ensure!(
                (0.0..=600.0).contains(&settle),
                "operation {name}: settle is {settle} s; 0 to 600 are allowed"
            );
        }
        Ok(())
    }

    /// The command that places the hooks for it.
    pub fn place(&self) -> String {
        let mut command = format!("place module={}", self.modules.join(","));
        if !self.functions.is_empty() {
            command += &format!(" functions={}", self.functions.join(","));
        }
        for pair in &self.returns {
            command += &format!(" return={pair}");
        }
        command + " context=" + self.context.word()
    }

    /// The number of an operation.
    ///
    /// # Errors
    /// When there is none of this name; the error has those that there are.
    pub fn find(&self, name: &str) -> Result<usize> {
        let names = || {
            self.operations
                .iter()
                .map(|operation| operation.name.as_str())
        };
        let at = names().position(|known| known == name);
        at.ok_or_else(|| crate::unknown::unknown("operation", name, names()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = \"a\"\nmodules = [\"zram\"]\nreturns = [\"f:-12\"]\n\
        [[operation]]\nname = \"load\"\ncommand = \"modprobe zram\"\n";

    #[test]
    fn a_short_workload_has_defaults() {
        let workload = Workload::parse(TEXT).unwrap();
        assert_eq!(
            workload.place(),
            "place module=zram return=f:-12 context=site"
        );
        assert_eq!(workload.operations[0].limit(), Duration::from_secs(30));
        assert_eq!(workload.find("load").unwrap(), 0);
        let error = workload.find("use").unwrap_err().to_string();
        assert!(error.contains("load"), "{error}");
    }

    #[test]
    fn the_plain_workload_is_one() {
        let workload = Workload::parse(&Workload::plain("snd-dummy")).unwrap();
        assert_eq!(workload.modules, ["snd_dummy"]);
        assert_eq!(workload.operations.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_named_in_one_line() {
        for (from, to, part) in [
            ("modules = [\"zram\"]", "modules = []", "1 to 4 are allowed"),
            ("\"zram\"", "\"a b\"", "'a b' is no name"),
            ("name = \"load\"", "name = \"lo ad\"", "letters, digits"),
            ("modprobe zram", " ", "its command is empty"),
            (
                "name = \"load\"",
                "name = \"load\"\ntimeout = 0",
                "0.1 to 3600",
            ),
            ("name = \"load\"", "nam = \"load\"", "nam"),
            ("[[operation]]", "[[operations]]", "operation"),
        ] {
            let error = format!(
                "{:#}",
                Workload::parse(&TEXT.replace(from, to)).unwrap_err()
            );
            assert!(
                error.contains(part) && !error.contains('\n'),
                "{part}: {error}"
            );
        }
    }
}
