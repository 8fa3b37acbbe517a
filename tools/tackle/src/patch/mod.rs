// SPDX-License-Identifier: GPL-2.0

//! Live patches, as the kernel shows them in `/sys/kernel/livepatch`
//! (`Documentation/ABI/testing/sysfs-kernel-livepatch` there).

pub mod change;
pub mod check;
pub mod file;
pub mod modules;
pub mod progress;
pub mod tasks;
pub mod transition;

use std::io;
use std::path::PathBuf;

use anyhow::{bail, Error, Result};
use serde::Serialize;

use crate::files;
use crate::roots::Roots;
use crate::table::table;
use crate::unknown::unknown;

/// A live patch that the kernel knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Patch {
    /// The module's name.
    pub name: String,
    /// Whether it is in force, or, in transition, is to be.
    pub enabled: bool,
    /// Whether tasks are changing over to it or from it.
    pub transition: bool,
    /// Whether it takes the place of all earlier ones; unknown before Linux 6.11.
    pub replace: Option<bool>,
    /// Of several that patch one function the one with the largest number is called;
    /// unknown before Linux 6.14.
    pub stack_order: Option<u32>,
    /// What it patches.
    pub objects: Vec<Object>,
}

/// The kernel itself, or a module, as far as a live patch changes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Object {
    /// `vmlinux`, or the module's name.
    pub name: String,
    /// Whether it is patched now: a module may not be loaded. Unknown before Linux 6.1.
    pub patched: Option<bool>,
    /// The functions.
    pub functions: Vec<Function>,
}

/// A function that is patched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Which of several of this name in the object, from 1.
    pub position: u32,
}

impl Patch {
    /// Whether a function of this name is one that it patches.
    pub fn patches(&self, function: &str) -> bool {
        let mut functions = self.objects.iter().flat_map(|object| &object.functions);
        functions.any(|known| known.name == function)
    }
}

/// The live patches of a kernel.
#[derive(Debug)]
pub struct Patches<'a> {
    /// Where the kernel is.
    pub roots: &'a Roots,
}

impl<'a> Patches<'a> {
    /// Those of the kernel that is at `roots`.
    ///
    /// # Errors
    /// When this kernel has no live patching.
    pub fn new(roots: &'a Roots) -> Result<Self> {
        if !roots.livepatch().is_dir() {
            bail!("this kernel has no live patching (CONFIG_LIVEPATCH)");
        }
        Ok(Self { roots })
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.roots.livepatch().join(name)
    }

    /// All of them, in the order in which they were stacked.
    ///
    /// # Errors
    /// When their files cannot be read.
    pub fn all(&self) -> Result<Vec<Patch>> {
        let mut all = Vec::new();
        for name in files::names(&self.roots.livepatch())? {
            all.extend(self.find(&name)?);
        }
        all.sort_by_key(|patch| patch.stack_order);
        Ok(all)
    }

    /// The patch `name`, if the kernel knows one.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub fn find(&self, name: &str) -> Result<Option<Patch>> {
        let folder = self.folder(name);
        let enabled = files::flag(&folder.join("enabled"))?;
        let transition = files::flag(&folder.join("transition"))?;
        // It may vanish between any two looks.
        let (Some(enabled), Some(transition)) = (enabled, transition) else {
            return Ok(None);
        };
        let mut objects = Vec::new();
        for object in files::names(&folder)? {
            if folder.join(&object).is_dir() {
                let path = folder.join(&object);
                objects.push(Object {
                    patched: files::flag(&path.join("patched"))?,
                    functions: files::names(&path)?
                        .iter()
                        .filter_map(|entry| function(entry))
                        .collect(),
                    name: object,
                });
            }
        }
        Ok(Some(Patch {
            name: name.to_owned(),
            enabled,
            transition,
            replace: files::flag(&folder.join("replace"))?,
            stack_order: files::value(&folder.join("stack_order"))?,
            objects,
        }))
    }

    /// The patch `name`.
    ///
    /// # Errors
    /// When there is none, with the names that there are; as [`all`](Self::all).
    pub fn get(&self, name: &str) -> Result<Patch> {
        if let Some(patch) = self.find(name)? {
            return Ok(patch);
        }
        Err(self.unknown(name)?)
    }

    /// The error that there is no patch `name`, with the names that there are.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub fn unknown(&self, name: &str) -> Result<Error> {
        let all = self.all()?;
        let names = all.iter().map(|patch| patch.name.as_str());
        Ok(unknown("live patch", name, names))
    }

    /// The patch that tasks are changing over to or from; the kernel allows one at a time.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub fn in_transition(&self) -> Result<Option<Patch>> {
        let all = self.all()?;
        Ok(all.into_iter().find(|patch| patch.transition))
    }

    /// Asks the kernel for a transition to this patch, or from it. One that is under way
    /// turns round.
    ///
    /// # Errors
    /// The kernel's answer: EINVAL when the patch is in that state already, or is disabled
    /// and not in transition; EBUSY when another one is in transition.
    pub fn set_enabled(&self, name: &str, enabled: bool) -> io::Result<()> {
        let text = if enabled { "1" } else { "0" };
        files::write(&self.folder(name).join("enabled"), text)
    }
}

/// The function of a folder's name, such as `cmdline_proc_show,1`.
fn function(entry: &str) -> Option<Function> {
    let (name, position) = entry.rsplit_once(',')?;
    Some(Function {
        name: name.to_owned(),
        position: position.parse().ok()?,
    })
}

/// The patches as a table, a row for each object.
pub fn list(patches: &[Patch]) -> String {
    let yes = |value: bool| if value { "yes" } else { "no" }.to_owned();
    let mut rows = Vec::new();
    for patch in patches {
        let mut first = [
            patch.name.clone(),
            yes(patch.enabled),
            yes(patch.transition),
            patch.replace.map_or_else(|| "-".to_owned(), yes),
        ];
        for object in &patch.objects {
            let functions: Vec<_> = object.functions.iter().map(Function::to_string).collect();
            let mut name = object.name.clone();
            if object.patched == Some(false) {
                name.push_str(" (not patched)");
            }
            let [a, b, c, d] = std::mem::take(&mut first);
            rows.push([a, b, c, d, name, functions.join(" ")]);
        }
    }
    let heading = [
        "PATCH",
        "ENABLED",
        "TRANSITION",
        "REPLACE",
        "OBJECT",
        "FUNCTIONS",
    ];
    table(heading, &[], rows)
}

impl std::fmt::Display for Function {
    /// The position is said where it tells something.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        if self.position > 1 {
            write!(f, ",{}", self.position)?;
        }
        Ok(())
    }
}
