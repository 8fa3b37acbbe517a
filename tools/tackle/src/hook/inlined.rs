// SPDX-License-Identifier: GPL-2.0

//! Finds inlined copies of a function in the kernel's debug information (DWARF).
//!
//! An inlined copy has no entry that ftrace could patch, so a hook does not see its calls. Only
//! DWARF has these copies: `DW_TAG_inlined_subroutine`, DWARF 5 section 3.3.8.2.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result};
use gimli::{
    AttributeValue, Dwarf, EndianSlice, Reader as _, RelocateReader, RunTimeEndian, UnitHeader,
    UnitOffset,
};
use object::read::RelocationMap;
use object::{Object, ObjectKind, ObjectSection, ReadCache};

use crate::files;
use crate::roots::Roots;

type Reader<'a> = RelocateReader<EndianSlice<'a, RunTimeEndian>, &'a Relocations>;

/// The relocations of a DWARF section.
#[derive(Debug, Default)]
struct Relocations(RelocationMap);

impl gimli::read::Relocate for &Relocations {
    fn relocate_address(&self, offset: usize, value: u64) -> gimli::Result<u64> {
        Ok(self.0.relocate(offset as u64, value))
    }

    fn relocate_offset(&self, offset: usize, value: usize) -> gimli::Result<usize> {
        let value = self.0.relocate(offset as u64, value as u64);
        usize::try_from(value).map_err(|_| gimli::Error::UnsupportedOffset)
    }
}

/// A DWARF section. In a module's file it has relocations, since the file is not linked.
#[derive(Debug, Default)]
struct Section<'a> {
    data: Cow<'a, [u8]>,
    relocations: Relocations,
}

impl<'a> Section<'a> {
    fn read(section: &impl ObjectSection<'a>, is_linked: bool) -> object::Result<Self> {
        Ok(Self {
            data: section.uncompressed_data()?,
            relocations: match is_linked {
                true => Relocations::default(),
                false => Relocations(section.relocation_map()?),
            },
        })
    }
}

/// Returns the file with the debug information of `module`, or of the kernel image without one.
/// Distributions and kernel builds put it in different places, of which the first existing one is
/// used.
pub fn debug_file(roots: &Roots, module: Option<&str>) -> Option<PathBuf> {
    let release = files::read(&roots.proc.join("sys/kernel/osrelease")).ok()??;
    let release = release.trim();
    let places = match module {
        None => vec![
            format!("usr/lib/debug/boot/vmlinux-{release}"),
            format!("usr/lib/debug/lib/modules/{release}/vmlinux"),
            format!("lib/modules/{release}/build/vmlinux"),
            format!("boot/vmlinux-{release}"),
        ],
        Some(module) => {
            let path = module_path(roots, release, module)?;
            vec![
                format!("usr/lib/debug/lib/modules/{release}/{path}"),
                format!("usr/lib/debug/lib/modules/{release}/{path}.debug"),
                format!("lib/modules/{release}/{path}"),
            ]
        }
    };
    let mut places = places.into_iter().map(|place| roots.root.join(place));
    places.find(|place| place.is_file())
}

/// Returns the path of a module's file below `/lib/modules/RELEASE`, without the suffix of its
/// compression.
fn module_path(roots: &Roots, release: &str, module: &str) -> Option<String> {
    let list = roots
        .root
        .join(format!("lib/modules/{release}/modules.dep"));
    let list = fs::read_to_string(list).ok()?;
    list.lines().find_map(|line| {
        let (path, _) = line.split_once(':')?;
        let (folder, file) = path.rsplit_once('/').unwrap_or((".", path));
        let (stem, _) = file.split_once(".ko")?;
        (stem.replace('-', "_") == module).then(|| format!("{folder}/{stem}.ko"))
    })
}

/// Returns the functions into which the function `name` is inlined.
///
/// # Errors
/// Returns an error if the file cannot be read or is no ELF file. For a file without debug
/// information it returns no functions.
pub fn callers(path: &Path, name: &str) -> Result<BTreeSet<String>> {
    read(path, name).with_context(|| format!("{}: debug information", path.display()))
}

fn read(path: &Path, name: &str) -> Result<BTreeSet<String>> {
    let cache = ReadCache::new(File::open(path)?);
    let file = object::File::parse(&cache)?;
    let endian = match file.is_little_endian() {
        true => RunTimeEndian::Little,
        false => RunTimeEndian::Big,
    };
    let is_linked = file.kind() != ObjectKind::Relocatable;
    let sections = gimli::DwarfSections::load(|id| {
        let section = file.section_by_name(id.name());
        let section = section.map(|section| Section::read(&section, is_linked));
        section.transpose().map(Option::unwrap_or_default)
    })?;
    let dwarf = sections.borrow(|section| {
        let data = EndianSlice::new(&section.data, endian);
        RelocateReader::new(data, &section.relocations)
    });
    let mut headers = Vec::new();
    let mut units = dwarf.units();
    while let Some(header) = units.next()? {
        headers.push(header);
    }
    // A kernel has thousands of units with some 200 MB of debug information, so all CPUs search.
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = headers.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let parts: Vec<_> = headers
            .chunks(share)
            .map(|part| scope.spawn(|| callers_in(&dwarf, part, name)))
            .collect();
        let mut callers = BTreeSet::new();
        for part in parts {
            let part = part
                .join()
                .map_err(|_| anyhow::anyhow!("a thread panicked"))?;
            callers.extend(part?);
        }
        Ok(callers)
    })
}

fn callers_in(
    dwarf: &Dwarf<Reader<'_>>,
    headers: &[UnitHeader<Reader<'_>>],
    name: &str,
) -> gimli::Result<BTreeSet<String>> {
    let mut callers = BTreeSet::new();
    for header in headers {
        let unit = Unit {
            dwarf,
            unit: dwarf.unit(header.clone())?,
        };
        let abstracts = unit.inlined(name)?;
        if !abstracts.is_empty() {
            unit.add_callers(&abstracts, &mut callers)?;
        }
    }
    Ok(callers)
}

/// A compilation unit.
struct Unit<'d, 'a> {
    dwarf: &'d Dwarf<Reader<'a>>,
    unit: gimli::Unit<Reader<'a>>,
}

impl Unit<'_, '_> {
    /// Returns the abstract instances of the function `name`. It has some if it is inlined in this
    /// unit.
    fn inlined(&self, name: &str) -> gimli::Result<Vec<UnitOffset>> {
        let mut found = Vec::new();
        let mut entries = self.unit.entries();
        while let Some((_, entry)) = entries.next_dfs()? {
            if entry.tag() == gimli::DW_TAG_subprogram
                && entry.attr_value(gimli::DW_AT_inline)?.is_some()
                && self.name(entry.attr_value(gimli::DW_AT_name)?)?.as_deref() == Some(name)
            {
                found.push(entry.offset());
            }
        }
        Ok(found)
    }

    /// Adds the functions that contain inlined copies of `abstracts`.
    fn add_callers(
        &self,
        abstracts: &[UnitOffset],
        callers: &mut BTreeSet<String>,
    ) -> gimli::Result<()> {
        let mut depth = 0;
        // The function that contains the current entry, and its depth in the tree.
        let mut function: Option<(isize, UnitOffset)> = None;
        let mut entries = self.unit.entries();
        while let Some((change, entry)) = entries.next_dfs()? {
            depth += change;
            if function.is_some_and(|(begin, _)| depth <= begin) {
                function = None;
            }
            match entry.tag() {
                gimli::DW_TAG_subprogram if function.is_none() => {
                    function = Some((depth, entry.offset()));
                }
                gimli::DW_TAG_inlined_subroutine => {
                    let origin = entry.attr_value(gimli::DW_AT_abstract_origin)?;
                    let is_copy = self
                        .offset(origin)
                        .is_some_and(|of| abstracts.contains(&of));
                    if let (true, Some((_, caller))) = (is_copy, function) {
                        callers.extend(self.function_name(caller)?);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns the name of a function. If the function has an abstract instance, that has the
    /// name.
    fn function_name(&self, at: UnitOffset) -> gimli::Result<Option<String>> {
        let entry = self.unit.entry(at)?;
        if let Some(name) = self.name(entry.attr_value(gimli::DW_AT_name)?)? {
            return Ok(Some(name));
        }
        let origin = entry.attr_value(gimli::DW_AT_abstract_origin)?;
        let Some(origin) = self.offset(origin) else {
            return Ok(None);
        };
        self.name(self.unit.entry(origin)?.attr_value(gimli::DW_AT_name)?)
    }

    fn name(&self, value: Option<AttributeValue<Reader<'_>>>) -> gimli::Result<Option<String>> {
        let Some(value) = value else {
            return Ok(None);
        };
        let name = self.dwarf.attr_string(&self.unit, value)?;
        Ok(Some(name.to_string_lossy()?.into_owned()))
    }

    /// Returns the offset in this unit to which an attribute refers; [`None`] if it refers
    /// elsewhere.
    fn offset(&self, value: Option<AttributeValue<Reader<'_>>>) -> Option<UnitOffset> {
        match value? {
            AttributeValue::UnitRef(offset) => Some(offset),
            AttributeValue::DebugInfoRef(offset) => offset.to_unit_offset(&self.unit.header),
            _ => None,
        }
    }
}
