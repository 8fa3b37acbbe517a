// SPDX-License-Identifier: GPL-2.0

//! Finds the calls of failing functions in a module by the relocations of the module's file. With
//! this list, a report shows which calls a workload has not reached. It needs no special kernel.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};
use object::{
    Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget, SectionKind, SymbolKind,
};
use serde::{Deserialize, Serialize};
use tackle_link::program;

/// A call of a failing function.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Call {
    /// The calling function and the offset of the return address, such as `zram_add+0x1f`.
    pub site: String,
    /// The function that is called.
    pub function: String,
}

/// Returns the calls of `functions` in the module file `path`.
///
/// # Errors
/// Returns an error if the file cannot be read or decompressed, or is no module.
pub fn calls(path: &Path, functions: &BTreeSet<String>) -> Result<Vec<Call>> {
    let data = read(path)?;
    let file = object::File::parse(&*data).with_context(|| format!("{}", path.display()))?;
    let mut code: Vec<_> = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0)
        .filter_map(|symbol| Some((symbol.section_index()?, symbol)))
        .collect();
    code.sort_by_key(|(section, symbol)| (section.0, symbol.address(), !symbol.is_global()));
    let mut calls = Vec::new();
    for section in file.sections() {
        if section.kind() != SectionKind::Text {
            continue;
        }
        let bytes = section.data()?;
        for (offset, relocation) in section.relocations() {
            let RelocationTarget::Symbol(index) = relocation.target() else {
                continue;
            };
            let symbol = file.symbol_by_index(index)?;
            let Some(function) = symbol.name().ok().filter(|name| functions.contains(*name)) else {
                continue;
            };
            if !symbol.is_undefined() || !is_call(bytes, offset) {
                continue;
            }
            // The relocated field has four bytes and ends the instruction.
            let back = offset + 4;
            let caller = code.iter().find(|(found, symbol)| {
                let range = symbol.address()..symbol.address() + symbol.size();
                *found == section.index() && range.contains(&offset)
            });
            if let Some((_, caller)) = caller {
                let (name, start) = (caller.name()?, caller.address());
                calls.push(Call {
                    site: format!("{name}+{:#x}", back - start),
                    function: function.to_owned(),
                });
            }
        }
    }
    calls.sort();
    calls.dedup();
    Ok(calls)
}

/// Returns whether the instruction whose operand is at `offset` is a call: `call rel32`, or `call
/// *disp32(%rip)`.
fn is_call(code: &[u8], offset: u64) -> bool {
    let Ok(at) = usize::try_from(offset) else {
        return false;
    };
    let before = code.get(..at).unwrap_or_default();
    before.last() == Some(&0xe8) || before.ends_with(&[0xff, 0x15])
}

/// Reads a module's file, which may be compressed.
fn read(path: &Path) -> Result<Vec<u8>> {
    let unpack = match path.extension().and_then(OsStr::to_str) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return fs::read(path).with_context(|| format!("cannot read {}", path.display())),
    };
    let output = program(unpack).arg("-dc").arg(path).output();
    let output = output.with_context(|| {
        format!(
            "{} is compressed, and there is no program {unpack}",
            path.display()
        )
    })?;
    if !output.status.success() {
        bail!("{unpack} cannot unpack {}", path.display());
    }
    Ok(output.stdout)
}

/// Returns the path of an installed module's file.
///
/// # Errors
/// Returns an error if `modinfo` cannot be run or finds no file of the module.
pub fn installed(module: &str) -> Result<PathBuf> {
    let output = program("modinfo").args(["-n", "--", module]).output();
    let output = output.context("cannot run modinfo")?;
    let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() || !path.starts_with('/') {
        bail!("{module} is not installed as a module");
    }
    Ok(path.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::write::{Object, Relocation, StandardSection, Symbol, SymbolSection};
    use object::{
        Architecture, BinaryFormat, Endianness, RelocationEncoding, RelocationFlags,
        RelocationKind, SymbolFlags, SymbolScope,
    };

    #[test]
    fn calls_are_found_and_jumps_are_not() {
        let mut file = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
        let text = file.section_id(StandardSection::Text);
        // A function of 6 bytes, and one with a call, a jump, and a call through a pointer.
        let code = [
            &[0x90; 6][..],
            &[
                0x90, 0xe8, 0, 0, 0, 0, 0xe9, 0, 0, 0, 0, 0xff, 0x15, 0, 0, 0, 0,
            ],
        ]
        .concat();
        file.append_section_data(text, &code, 1);
        let mut symbol = |name: &str, value, size, section| {
            file.add_symbol(Symbol {
                name: name.into(),
                value,
                size,
                kind: SymbolKind::Text,
                scope: SymbolScope::Compilation,
                weak: false,
                section,
                flags: SymbolFlags::None,
            })
        };
        symbol("first", 0, 6, SymbolSection::Section(text));
        symbol("second", 6, 17, SymbolSection::Section(text));
        let alloc = symbol("__kmalloc_noprof", 0, 0, SymbolSection::Undefined);
        let other = symbol("printk", 0, 0, SymbolSection::Undefined);
        for (offset, symbol) in [(8, alloc), (13, alloc), (19, alloc), (8, other)] {
            let relocation = Relocation {
                offset,
                symbol,
                addend: -4,
                flags: RelocationFlags::Generic {
                    kind: RelocationKind::Relative,
                    encoding: RelocationEncoding::Generic,
                    size: 32,
                },
            };
            file.add_relocation(text, relocation).unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.ko");
        fs::write(&path, file.write().unwrap()).unwrap();
        let functions = BTreeSet::from(["__kmalloc_noprof".to_owned()]);
        let sites: Vec<_> = calls(&path, &functions)
            .unwrap()
            .into_iter()
            .map(|call| call.site)
            .collect();
        assert_eq!(sites, ["second+0x11", "second+0x6"]);
        assert!(calls(&dir.path().join("b.ko"), &functions).is_err());
    }
}
