// SPDX-License-Identifier: GPL-2.0

//! Implements `tackle patch`: reads and changes the live patches in `/sys/kernel/livepatch`
//! (kernel documentation: `Documentation/ABI/testing/sysfs-kernel-livepatch`).

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

/// A live patch in the kernel's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Patch {
    /// The module's name.
    pub name: String,
    /// Whether the patch is enabled. In a transition, this is the state after the transition.
    pub enabled: bool,
    /// Whether the patch is in transition: not all tasks have changed to its new state yet.
    pub transition: bool,
    /// Whether the patch replaces all earlier ones. Unknown before Linux 6.11.
    pub replace: Option<bool>,
    /// The position in the stack of patches. If several patches replace a function, that with the
    /// largest number is called. Unknown before Linux 6.14.
    pub stack_order: Option<u32>,
    /// The kernel image and the modules that it patches.
    pub objects: Vec<Object>,
}

/// The kernel image or a module, with the functions of it that a live patch replaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Object {
    /// `vmlinux`, or the module's name.
    pub name: String,
    /// Whether it is patched now. A module that is not loaded is not. Unknown before Linux 6.1.
    pub patched: Option<bool>,
    /// The replaced functions.
    pub functions: Vec<Function>,
}

/// A function that is patched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Function {
    /// The function's name.
    pub name: String,
    /// The position among several functions of this name in the object, from 1.
    pub position: u32,
}

impl Patch {
    /// Returns whether it replaces a function of this name.
    pub fn patches(&self, function: &str) -> bool {
        let mut functions = self.objects.iter().flat_map(|object| &object.functions);
        functions.any(|known| known.name == function)
    }
}

/// The live patches of a kernel.
#[derive(Debug)]
pub struct Patches<'a> {
    /// The folders of the kernel's files.
    pub roots: &'a Roots,
}

impl<'a> Patches<'a> {
    /// Returns the live patches of the kernel at `roots`.
    ///
    /// # Errors
    /// Returns an error if the kernel has no live patching.
    pub fn new(roots: &'a Roots) -> Result<Self> {
        if !roots.livepatch().is_dir() {
            bail!("this kernel has no live patching (CONFIG_LIVEPATCH)");
        }
        Ok(Self { roots })
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.roots.livepatch().join(name)
    }

    /// Returns all live patches, in the order in which they are stacked.
    ///
    /// # Errors
    /// Returns an error if a file of a patch exists and cannot be read.
    pub fn all(&self) -> Result<Vec<Patch>> {
        let mut all = Vec::new();
        for name in files::names(&self.roots.livepatch())? {
            all.extend(self.find(&name)?);
        }
        all.sort_by_key(|patch| patch.stack_order);
        Ok(all)
    }

    /// Returns the patch `name`, if the kernel lists it.
    ///
    /// # Errors
    /// Returns the errors of [`all`](Self::all).
    pub fn find(&self, name: &str) -> Result<Option<Patch>> {
        let folder = self.folder(name);
        let enabled = files::flag(&folder.join("enabled"))?;
        let transition = files::flag(&folder.join("transition"))?;
        // The patch may be removed between any two reads.
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

    /// Returns the patch `name`.
    ///
    /// # Errors
    /// Returns an error if there is no such patch, whose text lists the existing ones; and the
    /// errors of [`all`](Self::all).
    pub fn get(&self, name: &str) -> Result<Patch> {
        if let Some(patch) = self.find(name)? {
            return Ok(patch);
        }
        Err(self.unknown(name)?)
    }

    /// Returns the error that there is no patch `name`. Its text lists the existing ones.
    ///
    /// # Errors
    /// Returns the errors of [`all`](Self::all).
    pub fn unknown(&self, name: &str) -> Result<Error> {
        let all = self.all()?;
        let names = all.iter().map(|patch| patch.name.as_str());
        Ok(unknown("live patch", name, names))
    }

    /// Returns the patch that is in transition. The kernel allows only one at a time.
    ///
    /// # Errors
    /// Returns the errors of [`all`](Self::all).
    pub fn in_transition(&self) -> Result<Option<Patch>> {
        let all = self.all()?;
        Ok(all.into_iter().find(|patch| patch.transition))
    }

    /// Requests the kernel to enable or disable a patch. If the patch is in transition, the
    /// transition is reversed.
    ///
    /// # Errors
    /// Returns EINVAL if the patch is in that state already, or is disabled and not in transition.
    /// Returns EBUSY if another patch is in transition.
    pub fn set_enabled(&self, name: &str, enabled: bool) -> io::Result<()> {
        let text = if enabled { "1" } else { "0" };
        files::write(&self.folder(name).join("enabled"), text)
    }
}

/// Parses the name of a function's folder, such as `cmdline_proc_show,1`.
fn function(entry: &str) -> Option<Function> {
    let (name, position) = entry.rsplit_once(',')?;
    Some(Function {
        name: name.to_owned(),
        position: position.parse().ok()?,
    })
}

/// Returns the patches as a table with one row for each object.
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
    /// Writes the name, and the position if it is above 1.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        if self.position > 1 {
            write!(f, ",{}", self.position)?;
        }
        Ok(())
    }
}
