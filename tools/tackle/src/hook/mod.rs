// SPDX-License-Identifier: GPL-2.0

//! Implements `tackle hook`: adds, removes and lists the hooks of the module `tackle_hooks`, in
//! `/sys/kernel/debug/tackle/hooks`.

pub mod add;
pub mod errno;
pub mod inlined;
pub mod numbers;
pub mod reading;
pub mod screen;
pub mod symbols;
pub mod watch;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{anyhow, Context, Error, Result};
use serde::Serialize;

use crate::debugfs::Interface;
use crate::files;
use crate::roots::Roots;
use crate::table::table;
use crate::unknown::unknown;

use add::NewHook;
use symbols::{Found, Symbols};
use tackle_core::hooks::Misses;

/// A hook, as the module's file `list` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hook {
    /// The hook's name.
    pub name: String,
    /// The function that is hooked.
    pub function: String,
    /// The kind of the hook: `count`, `latency` or `return`.
    pub kind: String,
    /// The number of calls that the hook has seen.
    pub calls: u64,
    /// The number of calls that the hook has missed, for any reason.
    pub missed: u64,
    /// The number of missed calls that a handler of a hook made.
    pub recursion: u64,
    /// The number of missed calls for which a task's shadow stack had no room.
    pub no_room: u64,
    /// What the patched function calls: a symbol, `ftrace`, `fgraph` or `none`
    /// (`Documentation/hooks.rst`).
    pub trampoline: Option<String>,
    /// The type of the function's return value, for a hook that counts return values.
    pub returns: Option<String>,
    /// The conditions for the calls that the hook sees, such as `pid`, `tgid` or `cpu`.
    pub filters: BTreeMap<String, String>,
}

impl Hook {
    /// Parses a line such as
    /// `NAME FUNCTION KIND calls=N missed=N pid=N trampoline=WHICH`.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().map(str::to_owned);
        let mut hook = Self {
            name: words.next()?,
            function: words.next()?,
            kind: words.next()?,
            ..Self::default()
        };
        for word in words {
            let (key, value) = word.split_once('=')?;
            match key {
                "calls" => hook.calls = value.parse().ok()?,
                "missed" => hook.missed = value.parse().ok()?,
                "recursion" => hook.recursion = value.parse().ok()?,
                "no_room" => hook.no_room = value.parse().ok()?,
                "trampoline" => hook.trampoline = Some(value.to_owned()),
                "returns" => hook.returns = Some(value.to_owned()),
                _ => drop(hook.filters.insert(key.to_owned(), value.to_owned())),
            }
        }
        Some(hook)
    }

    /// Returns the numbers of missed calls, by reason.
    pub fn misses(&self) -> Misses {
        Misses {
            recursion: self.recursion,
            no_room: self.no_room,
        }
    }

    /// Returns the filters as `key=value` words.
    pub fn conditions(&self) -> String {
        let words = self
            .filters
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        words.collect::<Vec<_>>().join(" ")
    }
}

/// How long `add` retries while a BPF program is being attached to the function or detached from
/// it.
const COME_AND_GO: Duration = Duration::from_secs(2);

const INTERFACE: Interface = Interface {
    what: "hooks",
    module: "tackle_hooks",
    folder: "tackle/hooks",
};

/// The files of the module `tackle_hooks`.
#[derive(Debug)]
pub struct Hooks {
    folder: PathBuf,
    roots: Roots,
}

/// The result of adding a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// The names of the hooks that were added.
    pub names: Vec<String>,
    /// A warning about calls that the hooks do not see.
    pub warning: Option<String>,
}

impl Hooks {
    /// Opens the module's folder below `roots`.
    ///
    /// # Errors
    /// Returns an error if debugfs is not mounted, only root may read it, or the module is not
    /// loaded.
    pub fn open(roots: &Roots) -> Result<Self> {
        let folder = INTERFACE.open(roots)?;
        Ok(Self {
            folder,
            roots: roots.clone(),
        })
    }

    /// Adds a hook. If `request.clones` is set, also adds one on each of the compiler's clones of
    /// the function.
    ///
    /// # Errors
    /// Returns the module's error, with a hint at clones, inlined copies, or several functions of
    /// the same name. Hooks that this call has added before are removed.
    pub fn add(&self, request: &NewHook) -> Result<Added> {
        let found = Symbols::read(&self.roots)?.find(&request.function);
        if request.clones {
            return self.add_clones(request, &found);
        }
        let added = self.add_one(request);
        let clones = found.clones.join(", ");
        match added {
            Ok(name) => Ok(Added {
                names: vec![name],
                warning: self.unseen(request, &clones),
            }),
            Err(error) if found.same.is_empty() => Err(match (&*clones, self.inlined(request)) {
                ("", None) => error,
                ("", Some(inlined)) => anyhow!("{error:#}; {inlined}"),
                _ => anyhow!("{error:#}; the compiler has made clones of it: {clones} (--clones)"),
            }),
            Err(error) if found.same.len() > 1 && request.position.is_none() => Err(anyhow!(
                "{error:#}; --position {}",
                found.same.join(", or ")
            )),
            Err(error) => Err(error),
        }
    }

    /// Returns a line about calls that the hook does not see: those of the function's clones and
    /// of its inlined copies.
    fn unseen(&self, request: &NewHook, clones: &str) -> Option<String> {
        let clones = (!clones.is_empty()).then(|| format!("it has clones, {clones} (--clones)"));
        let reasons: Vec<_> = [clones, self.inlined(request)]
            .into_iter()
            .flatten()
            .collect();
        let function = &request.function;
        (!reasons.is_empty()).then(|| {
            format!(
                "some calls of {function} are not seen: {}",
                reasons.join("; ")
            )
        })
    }

    /// Returns a text about inlined copies of the function, from the kernel's debug information;
    /// [`None`] if it is not installed or has no copies.
    fn inlined(&self, request: &NewHook) -> Option<String> {
        let (module, name) = match request.function.split_once(':') {
            Some((module, name)) => (Some(module), name),
            None => (None, &*request.function),
        };
        let file = inlined::debug_file(&self.roots, module)?;
        match inlined::callers(&file, name) {
            Ok(callers) => shortened(&callers.into_iter().collect::<Vec<_>>())
                .map(|callers| format!("the compiler has inlined it into {callers}")),
            // The hook works without debug information.
            Err(error) => Some(format!("it may be inlined: {error:#}")),
        }
    }

    fn add_clones(&self, request: &NewHook, found: &Found) -> Result<Added> {
        let own = (!found.same.is_empty() || found.clones.is_empty()).then(|| request.clone());
        let clones = found.clones.iter().map(|clone| {
            let suffix = clone.strip_prefix(&request.function).unwrap_or_default();
            NewHook {
                function: clone.clone(),
                name: request.name.as_ref().map(|name| format!("{name}{suffix}")),
                position: None,
                ..request.clone()
            }
        });
        let mut names: Vec<String> = Vec::new();
        for request in own.into_iter().chain(clones) {
            match self.add_one(&request) {
                Ok(name) => names.push(name),
                Err(error) => {
                    // The caller needs the first error, so errors of this cleanup are ignored.
                    names.iter().for_each(|name| drop(self.del(name)));
                    return Err(error);
                }
            }
        }
        Ok(Added {
            names,
            warning: self.unseen(request, ""),
        })
    }

    /// Adds a hook, and returns its name.
    fn add_one(&self, request: &NewHook) -> Result<String> {
        let line = request.line()?;
        let name = add::name(&line)?;
        let start = Instant::now();
        loop {
            match files::write(&self.folder.join("add"), &line) {
                Ok(()) => return Ok(name),
                // A BPF program is being attached to the function, or detached from it.
                Err(error)
                    if error.kind() == ErrorKind::WouldBlock && start.elapsed() < COME_AND_GO =>
                {
                    sleep(Duration::from_millis(20));
                }
                Err(error) => return Err(self.told(error, "add")),
            }
        }
    }

    /// Removes the hook `name`.
    ///
    /// # Errors
    /// Returns the module's error.
    pub fn del(&self, name: &str) -> Result<()> {
        add::check_word("a hook's name", name)?;
        files::write(&self.folder.join("del"), name).map_err(|error| self.told(error, "del"))
    }

    /// Returns the module's message about the last refused write, or the error of the write.
    fn told(&self, error: io::Error, file: &str) -> Error {
        match files::read(&self.folder.join("error")) {
            Ok(Some(line)) if !line.is_empty() => Error::msg(line),
            _ => Error::new(error)
                .context(format!("{} refuses it", self.folder.join(file).display())),
        }
    }

    /// Returns all hooks, in the module's order.
    ///
    /// # Errors
    /// Returns an error if the list cannot be read, or if a line is no hook.
    pub fn list(&self) -> Result<Vec<Hook>> {
        let text = files::read(&self.folder.join("list"))?.context("the module has gone")?;
        let hook = |line| Hook::parse(line).with_context(|| format!("list has '{line}'"));
        text.lines().map(hook).collect()
    }

    /// Returns the folder of the hook `name`.
    ///
    /// # Errors
    /// Returns an error if there is no such hook. Its text lists the existing hooks.
    fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        if !name.contains('/') && folder.join("kind").exists() {
            return Ok(folder);
        }
        let hooks = self.list()?;
        let names = hooks.iter().map(|hook| hook.name.as_str());
        Err(unknown("hook", name, names))
    }
}

/// Joins names. If there are more than three, the text has the first three and the number of the
/// others. Returns [`None`] without names.
fn shortened(names: &[String]) -> Option<String> {
    let shown = names.len().min(3);
    let text = names[..shown].join(", ");
    match names.len() - shown {
        _ if names.is_empty() => None,
        0 => Some(text),
        more => Some(format!("{text} and {more} more")),
    }
}

/// Returns as text how many calls a hook has missed, by reason.
fn missed(misses: Misses) -> String {
    let missed = misses.total();
    let reasons = [(misses.recursion, "recursion"), (misses.no_room, "no room")];
    let reasons: Vec<_> = reasons
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, reason)| format!("{reason} {count}"))
        .collect();
    if reasons.is_empty() {
        return missed.to_string();
    }
    format!("{missed} ({})", reasons.join(", "))
}

/// Returns the hooks as a table.
pub fn list(hooks: &[Hook]) -> String {
    let heading = [
        "HOOK",
        "FUNCTION",
        "KIND",
        "CALLS",
        "MISSED",
        "ONLY",
        "TRAMPOLINE",
    ];
    let rows = hooks.iter().map(|hook| {
        [
            hook.name.clone(),
            hook.function.clone(),
            hook.kind.clone(),
            hook.calls.to_string(),
            missed(hook.misses()),
            hook.conditions(),
            hook.trampoline.clone().unwrap_or_default(),
        ]
    });
    table(heading, &[3, 4], rows)
}
