// SPDX-License-Identifier: GPL-2.0

//! Lists the users of functions that ftrace, kprobes, the livepatch core and Tackle's hooks show.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};

use crate::files;
use crate::hook::Hooks;
use crate::patch::Patches;
use crate::roots::Roots;

/// A function: its module, if any, and its name.
type Name = (Option<String>, String);

/// The users of all functions.
pub(super) struct Users {
    /// The functions that can be traced.
    traceable: Traceable,
    /// The descriptions of the users of each function.
    of: BTreeMap<Name, Vec<String>>,
    /// The functions that users other than live patches redirect.
    redirected: BTreeSet<Name>,
}

enum Traceable {
    Addresses(BTreeSet<u64>),
    Names(BTreeSet<String>),
}

/// The maximum distance between a function's address and its `call __fentry__`, which may follow
/// an ENDBR.
const MAX_ENTRY: u64 = 16;

impl Users {
    /// Reads the users of functions in the kernel at `roots`. `shows_addresses` is false if all
    /// addresses in `/proc/kallsyms` are zero.
    ///
    /// # Errors
    /// Returns an error if a file exists and cannot be read, or if tracefs is not mounted.
    pub(super) fn read(roots: &Roots, shows_addresses: bool) -> Result<Self> {
        let tracing = roots.sys.join("kernel/tracing");
        let read = |file: &str| files::read(&tracing.join(file));
        // With `kptr_restrict` the addresses of functions are unknown, so the names are compared.
        let addresses = match shows_addresses {
            true => read("available_filter_functions_addrs")?,
            false => None,
        };
        let traceable = match addresses {
            Some(text) => Traceable::Addresses(text.lines().filter_map(address).collect()),
            None => {
                let text = read("available_filter_functions")?;
                let text = text.context("tracefs is not mounted at /sys/kernel/tracing")?;
                let name = |line: &str| Some(line.split_whitespace().next()?.to_owned());
                Traceable::Names(text.lines().filter_map(name).collect())
            }
        };
        let mut users = Self {
            traceable,
            of: BTreeMap::new(),
            redirected: BTreeSet::new(),
        };
        let mut patched = BTreeSet::new();
        for patch in Patches::new(roots)?.all()? {
            for object in &patch.objects {
                let module = (object.name != "vmlinux").then(|| object.name.clone());
                for function in &object.functions {
                    let name = (module.clone(), function.name.clone());
                    users.add(name.clone(), format!("the live patch {}", patch.name));
                    patched.insert(name);
                }
            }
        }
        for line in read("enabled_functions")?.unwrap_or_default().lines() {
            users.enabled(line, &patched);
        }
        users.hooks(roots)?;
        let kprobes = files::read(&roots.debugfs().join("kprobes/list"))?;
        for line in kprobes.unwrap_or_default().lines() {
            users.kprobe(line);
        }
        Ok(users)
    }

    fn add(&mut self, name: Name, user: String) {
        let users = self.of.entry(name).or_default();
        if !users.contains(&user) {
            users.push(user);
        }
    }

    /// Parses a line of `enabled_functions`: `NAME [MODULE] (USERS) FLAGS tramp: ...`. A line that
    /// begins with white space continues the line before and is ignored.
    fn enabled(&mut self, line: &str, patched: &BTreeSet<Name>) {
        let Some((head, rest)) = line.split_once(" (") else {
            return;
        };
        let Some(name) = name_of(head).filter(|_| !line.starts_with(char::is_whitespace)) else {
            return;
        };
        let Some((_, rest)) = rest.split_once(')') else {
            return;
        };
        let flags: Vec<_> = rest
            .split_whitespace()
            .take_while(|word| word.len() == 1)
            .collect();
        if flags.contains(&"D") {
            self.add(name.clone(), "a direct call (BPF or an exit hook)".into());
        }
        if flags.contains(&"I") && !patched.contains(&name) {
            self.add(name.clone(), "a redirection".into());
            self.redirected.insert(name.clone());
        }
        // All other users are tracers, perf, or hooks at the entry.
        if !self.of.contains_key(&name) {
            self.add(name, "ftrace (a tracer, perf or a hook)".into());
        }
    }

    /// Adds the hooks of `tackle_hooks`, if it is loaded.
    fn hooks(&mut self, roots: &Roots) -> Result<()> {
        if !roots.debugfs().join("tackle/hooks").is_dir() {
            return Ok(());
        }
        for hook in Hooks::open(roots)?.list()? {
            let name = match hook.function.split_once(':') {
                Some((module, name)) => (Some(module.to_owned()), name.to_owned()),
                None => (None, hook.function.clone()),
            };
            self.add(name, format!("the hook {}", hook.name));
        }
        Ok(())
    }

    /// Parses a line of the list of kprobes: `ADDRESS k NAME+OFFSET [MODULE] [FTRACE]`. For a
    /// kretprobe the letter is `r`.
    fn kprobe(&mut self, line: &str) {
        let mut words = line.split_whitespace().skip(1);
        let (Some(kind), Some(place)) = (words.next(), words.next()) else {
            return;
        };
        let Some((name, _)) = place.split_once('+') else {
            return;
        };
        let module = words
            // Flags are in brackets here, and modules are not.
            .find(|word| !word.starts_with('['))
            .map(str::to_owned);
        let what = if kind == "r" {
            "a kretprobe"
        } else {
            "a kprobe"
        };
        self.add((module, name.to_owned()), what.into());
    }

    /// Returns the users of a function.
    pub(super) fn of(&self, module: Option<&str>, name: &str) -> Vec<String> {
        let name = (module.map(str::to_owned), name.to_owned());
        self.of.get(&name).cloned().unwrap_or_default()
    }

    /// Returns whether the function at `address` can be traced.
    pub(super) fn is_traceable(&self, address: u64, name: &str) -> bool {
        match &self.traceable {
            Traceable::Addresses(all) => {
                let mut entry = all.range(address..address + MAX_ENTRY);
                entry.next().is_some()
            }
            Traceable::Names(all) => all.contains(name),
        }
    }

    /// Returns why the kernel would refuse a live patch of the function, if another user redirects
    /// it.
    pub(super) fn redirected(&self, module: Option<&str>, name: &str) -> Option<String> {
        let name = (module.map(str::to_owned), name.to_owned());
        let is_redirected = self.redirected.contains(&name);
        is_redirected.then(|| "another user redirects it: the kernel says EBUSY".into())
    }
}

/// Returns the address at the beginning of a line.
fn address(line: &str) -> Option<u64> {
    u64::from_str_radix(line.split_whitespace().next()?, 16).ok()
}

/// Parses `NAME` or `NAME [MODULE]`.
fn name_of(text: &str) -> Option<Name> {
    let mut words = text.split_whitespace();
    let name = words.next()?.to_owned();
    let module = words.next().map(|word| word.trim_matches(['[', ']']));
    Some((module.map(str::to_owned), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> Users {
        Users {
            traceable: Traceable::Names(BTreeSet::from(["vfs_read".into()])),
            of: BTreeMap::new(),
            redirected: BTreeSet::new(),
        }
    }

    #[test]
    fn lines_of_ftrace_have_flags() {
        let mut users = none();
        let patched = BTreeSet::from([(None, "patched".to_owned())]);
        for line in [
            "vfs_read (1)            tramp: 0xffffffffc0 (a+0x0/0x1)",
            "direct (2) R   D   M \ttramp: ftrace_regs_caller+0x0/0x65 (call_direct_funcs+0x0/0x20)",
            "\tdirect(jmp)-->bpf_trampoline_1+0x0/0x1",
            "gone [ext4] (1) R I     tramp: x (y)",
            "patched (1) R I     tramp: x (y)",
        ] {
            users.enabled(line, &patched);
        }
        assert_eq!(
            users.of(None, "vfs_read"),
            ["ftrace (a tracer, perf or a hook)"]
        );
        assert_eq!(
            users.of(None, "direct"),
            ["a direct call (BPF or an exit hook)"]
        );
        assert_eq!(users.of(Some("ext4"), "gone"), ["a redirection"]);
        assert!(users.redirected(Some("ext4"), "gone").is_some());
        assert!(users.redirected(None, "gone").is_none());
        assert!(users.redirected(None, "patched").is_none());
    }

    #[test]
    fn kprobes_have_places() {
        let mut users = none();
        users.kprobe("ffffffff81000000  k  vfs_read+0x4    [FTRACE]");
        users.kprobe("ffffffffc0000000  r  inner+0x0  ext4 [DISABLED]");
        assert_eq!(users.of(None, "vfs_read"), ["a kprobe"]);
        assert_eq!(users.of(Some("ext4"), "inner"), ["a kretprobe"]);
    }

    #[test]
    fn what_can_be_traced_is_known_by_its_address() {
        let mut users = none();
        assert!(users.is_traceable(1, "vfs_read") && !users.is_traceable(1, "other"));
        let address = address("ffffffff81000014 vfs_read [m]").unwrap();
        users.traceable = Traceable::Addresses(BTreeSet::from([address]));
        assert!(users.is_traceable(address - 4, "vfs_read"));
        assert!(!users.is_traceable(address - 16, "vfs_read"));
        assert!(!users.is_traceable(address + 1, "vfs_read"));
    }
}
