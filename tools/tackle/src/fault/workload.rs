// SPDX-License-Identifier: GPL-2.0

//! Implements workloads: TOML files that name the modules under test and the operations.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{ensure, Context as _, Result};
use serde::Deserialize;

/// How calls are grouped into fault points: by the call in the module under test, or by the stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Context {
    /// All calls from one site are one point.
    #[default]
    Site,
    /// Each stack that leads to a call is a point.
    Stack,
}

impl Context {
    /// Returns the injector's keyword for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Stack => "stack",
        }
    }
}

/// An operation, whose calls are made to fail. All commands are run by `sh -c`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// The name, of letters, digits, `_` and `-`.
    pub name: String,
    /// The command during which faults are injected.
    pub command: String,
    /// A command that succeeds if the operation is in effect.
    #[serde(default)]
    pub check: String,
    /// A command that reverts the operation.
    #[serde(default)]
    pub undo: String,
    /// The time limit of each command, in seconds.
    #[serde(default = "half_a_minute")]
    pub timeout: f64,
    /// The time between a fault and the comparison of the machine, in seconds, so that deferred
    /// work of the kernel can finish, such as a timer.
    #[serde(default)]
    pub settle: f64,
    /// How often a fault is repeated if the operation can leak memory of which the kernel shows
    /// only sums. The repetitions make a leak large enough to be noticed.
    #[serde(default = "sixteen")]
    pub repeat: u32,
    /// The allowed error messages, such as `Cannot allocate memory`. A failed command must print
    /// one of them. If the list is empty, any message is allowed.
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
    /// Returns the time limit of each command.
    pub fn limit(&self) -> Duration {
        Duration::from_secs_f64(self.timeout)
    }
}

/// A workload: modules under test, and operations on them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// The workload's name.
    pub name: String,
    /// The modules under test. Only calls with one of these modules on the stack fail.
    pub modules: Vec<String>,
    /// The files of the modules, relative to the workload's folder. Installed modules need none.
    #[serde(default)]
    pub files: Vec<PathBuf>,
    /// The functions and classes of functions that fail. If it is empty, the injector selects
    /// them.
    #[serde(default)]
    pub functions: Vec<String>,
    /// Other functions, as `FUNCTION:VALUE`.
    #[serde(default)]
    pub returns: Vec<String>,
    /// How calls are grouped into fault points.
    #[serde(default)]
    pub context: Context,
    /// A command that is run once before all operations, without faults.
    #[serde(default)]
    pub setup: String,
    /// A command that is run once after all operations.
    #[serde(default)]
    pub cleanup: String,
    /// Beginnings of entries that the comparison ignores.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// The operations in their order. While the calls of one operation fail, the operations before
    /// it are in effect.
    #[serde(rename = "operation")]
    pub operations: Vec<Operation>,
    /// The folder of the workload's file. All commands have it in `$HERE`.
    #[serde(skip)]
    pub here: PathBuf,
}

/// The maximum number of modules, which is that of the injector.
const MODULES: usize = 4;

impl Workload {
    /// Reads a workload's file. Returns the workload and the text of the file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or is no valid workload. Its text has the
    /// file's name.
    pub fn read(path: &Path) -> Result<(Self, String)> {
        let shown = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        let mut workload = Self::parse(&text).with_context(|| format!("{shown}"))?;
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        workload.here = fs::canonicalize(folder.unwrap_or(Path::new(".")))?;
        Ok((workload, text))
    }

    /// Parses a workload's text.
    ///
    /// # Errors
    /// Returns an error if the text is no valid workload.
    pub fn parse(text: &str) -> Result<Self> {
        let workload: Self = toml::from_str(text)
            .map_err(|error| anyhow::anyhow!("{}", error.to_string().trim().replace('\n', " ")))?;
        workload.check()?;
        Ok(workload)
    }

    /// Returns the text of a workload that loads an installed module and unloads it.
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

    /// Returns the injector's command that places the hooks of this workload.
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

    /// Returns the index of the operation `name`.
    ///
    /// # Errors
    /// Returns an error if no operation has this name. Its text lists the names.
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
