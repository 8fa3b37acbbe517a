// SPDX-License-Identifier: GPL-2.0

//! Reads the file of a live patch, and checks whether the kernel would load it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure, Context, Result};
use object::{Object, ObjectSection, ObjectSymbol};
use tackle_link::program;

use super::layout::{self, Replaced};
use crate::files;
use crate::hook::symbols::Symbols;
use crate::patch::modules::Source;
use crate::roots::Roots;

/// The modules of the library `tackle`.
const LIBRARY: [&str; 2] = ["tackle", "tackle_ftrace"];

/// The beginning of a symbol whose full name is different in each build of `tackle.ko`.
const OF_ANOTHER_BUILD: &str = "tackle_of_another_build__";

/// The contents of a live patch's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Module {
    /// The module's name.
    pub(super) name: String,
    /// The functions that it replaces.
    pub(super) functions: Vec<Replaced>,
    /// The kernel that it was built for.
    vermagic: Option<String>,
    /// Whether it has versions of the symbols that it uses (`CONFIG_MODVERSIONS`).
    has_versions: bool,
    /// The modules of [`LIBRARY`] on which it depends.
    needs: Vec<&'static str>,
    /// The symbol of the build of `tackle.ko` on which it depends.
    library: Option<String>,
}

impl Module {
    /// Reads a file, or the file of an installed module.
    ///
    /// # Errors
    /// Returns an error if there is no such file, or if it cannot be read or is no live patch.
    pub(super) fn read(source: &Source) -> Result<Self> {
        let path = match source {
            Source::File(path) => path.clone(),
            Source::Name(name) => installed(name)?,
        };
        let data = contents(&path)?;
        Self::parse(&data).with_context(|| path.display().to_string())
    }

    fn parse(data: &[u8]) -> Result<Self> {
        let file = object::File::parse(data).context("this is no module")?;
        let modinfo = file.section_by_name(".modinfo");
        let modinfo = modinfo.and_then(|section| section.data().ok());
        let words: Vec<_> = modinfo
            .unwrap_or_default()
            .split(|byte| *byte == 0)
            .map(String::from_utf8_lossy)
            .collect();
        let word = |key: &str| {
            let mut values = words.iter().filter_map(|word| word.strip_prefix(key));
            values.next().map(str::to_owned)
        };
        let name = word("name=").context("this is no module")?;
        ensure!(
            word("livepatch=").is_some(),
            "{name} is no live patch: its modinfo lacks livepatch=Y"
        );
        let functions = layout::functions(&file);
        ensure!(
            !functions.is_empty(),
            "{name} does not show which functions it replaces"
        );
        let mut symbols = file.symbols().filter_map(|symbol| symbol.name().ok());
        let depends = word("depends=").unwrap_or_default();
        let depends: Vec<_> = depends.split(',').collect();
        Ok(Self {
            name,
            functions,
            needs: LIBRARY
                .into_iter()
                .filter(|library| depends.contains(library))
                .collect(),
            vermagic: word("vermagic="),
            has_versions: file.section_by_name("__versions").is_some(),
            library: symbols
                .find(|symbol| symbol.starts_with(OF_ANOTHER_BUILD))
                .map(str::to_owned),
        })
    }

    /// Returns the reasons why the kernel would refuse the module.
    ///
    /// # Errors
    /// Returns an error if the kernel's files cannot be read.
    pub(super) fn problems(&self, roots: &Roots, symbols: &Symbols) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        let release = files::read(&roots.proc.join("sys/kernel/osrelease"))?;
        let built_for = self
            .vermagic
            .as_deref()
            .and_then(|all| all.split(' ').next());
        if let (Some(release), Some(built_for)) = (release, built_for) {
            // A module with versions of its symbols can be loaded by other releases as well.
            if release != built_for && !self.has_versions {
                problems.push(format!(
                    "it is built for {built_for}, and this is {release}"
                ));
            }
        }
        let mut missing = self.needs.clone();
        missing.retain(|name| !roots.module(name).exists());
        match &missing[..] {
            [] => {}
            [one] => problems.push(format!("it needs {one}.ko, which is not loaded")),
            _ => {
                let all = missing.join(".ko and ");
                problems.push(format!("it needs {all}.ko, which are not loaded"));
            }
        }
        if let Some(library) = &self.library {
            let is_loaded = roots.module("tackle").exists();
            if is_loaded && symbols.addresses(Some("tackle"), library).is_empty() {
                problems.push("it is built with another tackle.ko than the one loaded".into());
            }
        }
        Ok(problems)
    }
}

/// Returns the path of an installed module's file.
fn installed(name: &str) -> Result<PathBuf> {
    let output = program("modinfo").args(["-n", "--", name]).output();
    let output = output.context("cannot run modinfo")?;
    let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    ensure!(
        output.status.success() && !path.is_empty(),
        "{name} is not installed, give its file"
    );
    Ok(path.into())
}

/// Returns the contents of a module's file, which may be compressed.
fn contents(path: &Path) -> Result<Vec<u8>> {
    let shown = path.display();
    let unpack = match path.extension().and_then(OsStr::to_str) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return fs::read(path).with_context(|| format!("cannot read {shown}")),
    };
    let output = program(unpack).arg("-dc").arg("--").arg(path).output();
    let output = output.with_context(|| format!("cannot run {unpack} to unpack {shown}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("cannot unpack {shown}: {}", said.trim());
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::check::layout::tests::patch;

    fn error(data: &[u8]) -> String {
        Module::parse(data).unwrap_err().to_string()
    }

    #[test]
    fn a_live_patch_is_read() {
        let modinfo = "name=mine livepatch=Y vermagic=7.3.4 depends=tackle_ftrace,other,tackle";
        let data = patch(&[(None, &[("vfs_read", 0)])], modinfo);
        let module = Module::parse(&data).unwrap();
        assert_eq!((module.name.as_str(), module.functions.len()), ("mine", 1));
        assert_eq!(module.vermagic.as_deref(), Some("7.3.4"));
        assert_eq!(module.needs, LIBRARY);
    }

    #[test]
    fn others_are_refused() {
        assert_eq!(error(b"no ELF"), "this is no module");
        let data = patch(&[(None, &[("vfs_read", 0)])], "name=mine");
        assert!(error(&data).starts_with("mine is no live patch"));
        let data = patch(&[], "name=mine livepatch=Y");
        assert!(error(&data).starts_with("mine does not show"));
    }

    #[test]
    fn what_is_not_installed_is_named() {
        let error = Module::read(&Source::from("tackle-no-such-module")).unwrap_err();
        let error = format!("{error:#}");
        assert!(
            error.contains("modinfo") || error.contains("is not installed"),
            "{error}"
        );
    }
}
