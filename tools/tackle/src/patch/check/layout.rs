// SPDX-License-Identifier: GPL-2.0

//! Finds the functions that a live patch replaces in the file of its module.
//!
//! A live patch is a `struct klp_patch` that points to an array of `struct klp_object`. Each of
//! these points to an array of `struct klp_func` (`include/linux/livepatch.h`). In the file these
//! pointers are relocations. The offsets of the pointers in the structures are the same in all
//! configurations of the kernel, but the sizes of the structures are not.

use std::collections::{BTreeSet, HashMap};

use object::{
    Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionIndex, SectionKind, SymbolKind,
};

/// A function that a live patch replaces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Replaced {
    /// The module of the function; [`None`] for the kernel image.
    pub module: Option<String>,
    /// The function's name.
    pub name: String,
    /// The position among several symbols of this name, from 1; 0 if the name must be unique.
    pub position: u64,
}

/// The address of a byte: the index of its section, and the offset there.
type Place = (usize, u64);

/// The size of a pointer.
const WORD: u64 = 8;

/// The pointers in a module's file.
struct Pointers<'a> {
    file: &'a object::File<'a>,
    to: HashMap<Place, Place>,
}

impl<'a> Pointers<'a> {
    fn read(file: &'a object::File<'a>) -> Self {
        let mut to = HashMap::new();
        for section in file.sections() {
            for (offset, relocation) in section.relocations() {
                let RelocationTarget::Symbol(index) = relocation.target() else {
                    continue;
                };
                let Ok(symbol) = file.symbol_by_index(index) else {
                    continue;
                };
                let Some(target) = symbol.section_index() else {
                    continue;
                };
                let address = symbol.address().wrapping_add_signed(relocation.addend());
                if relocation.size() == 64 {
                    to.insert((section.index().0, offset), (target.0, address));
                }
            }
        }
        Self { file, to }
    }

    /// Returns the target of the pointer that is `words` words after `place`.
    fn target(&self, (section, offset): Place, words: u64) -> Option<Place> {
        let offset = offset.checked_add(words * WORD)?;
        self.to.get(&(section, offset)).copied()
    }

    fn data(&self, (section, offset): Place) -> Option<&'a [u8]> {
        let section = self.file.section_by_index(SectionIndex(section)).ok()?;
        if section.kind() == SectionKind::Text {
            return None;
        }
        section.data().ok()?.get(usize::try_from(offset).ok()?..)
    }

    fn is_code(&self, (section, _): Place) -> bool {
        let section = self.file.section_by_index(SectionIndex(section));
        section.is_ok_and(|section| section.kind() == SectionKind::Text)
    }

    /// Returns the string at `place`, if it can be the name of a symbol.
    fn name(&self, place: Place) -> Option<String> {
        let data = self.data(place)?;
        let length = data.iter().position(|byte| *byte == 0)?;
        let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.$".contains(byte);
        let name = &data[..length];
        if name.is_empty() || !name.iter().all(is_of_name) {
            return None;
        }
        String::from_utf8(name.to_vec()).ok()
    }

    /// Returns the name of the function if a `struct klp_func` is at `place`. Its first members
    /// are `old_name` and `new_func`.
    fn func(&self, place: Place) -> Option<String> {
        let new_func = self.target(place, 1)?;
        let name = self.name(self.target(place, 0)?)?;
        self.is_code(new_func).then_some(name)
    }

    /// Returns the array of functions if a `struct klp_object` is at `place`. Its first members
    /// are `name`, which may be NULL, and `funcs`.
    fn object(&self, place: Place) -> Option<Place> {
        let funcs = self.target(place, 1)?;
        self.func(funcs)?;
        Some(funcs)
    }

    /// Returns the places from `begin` to the end of the variable that contains it. Without
    /// symbols (`strip`), these are the places to the end of the section.
    fn places(&self, begin: Place) -> impl Iterator<Item = Place> {
        let (section, first) = begin;
        let size = self.file.section_by_index(SectionIndex(section));
        let size = size.map_or(0, |section| section.size());
        let end = self
            .file
            .symbols()
            .filter(|symbol| symbol.kind() == SymbolKind::Data)
            .filter(|symbol| symbol.section_index() == Some(SectionIndex(section)))
            .map(|symbol| symbol.address()..symbol.address().saturating_add(symbol.size()))
            .filter(|range| range.contains(&first))
            .map(|range| range.end)
            .min()
            .unwrap_or(size)
            .min(size);
        (first..end)
            .step_by(WORD as usize)
            .map(move |offset| (section, offset))
    }
}

/// Returns the functions that the live patch in `file` replaces, sorted. There are none if the
/// module fills its structures at run time.
pub fn functions(file: &object::File<'_>) -> Vec<Replaced> {
    let pointers = Pointers::read(file);
    let mut all = Vec::new();
    // A pointer to an array with a valid object belongs to a patch.
    let arrays: BTreeSet<Place> = pointers
        .to
        .values()
        .filter(|place| !pointers.is_code(**place))
        .filter(|place| {
            pointers
                .places(**place)
                .any(|place| pointers.object(place).is_some())
        })
        .copied()
        .collect();
    for first in arrays {
        for object in pointers.places(first) {
            let Some(funcs) = pointers.object(object) else {
                continue;
            };
            let module = pointers
                .target(object, 0)
                .and_then(|name| pointers.name(name));
            for func in pointers.places(funcs) {
                if let Some(name) = pointers.func(func) {
                    let (module, position) = (module.clone(), position(&pointers, func));
                    all.push(Replaced {
                        module,
                        name,
                        position,
                    });
                }
            }
        }
    }
    all.sort();
    all.dedup();
    all
}

/// Returns `old_sympos` of the `struct klp_func` at `place`.
fn position(pointers: &Pointers<'_>, (section, offset): Place) -> u64 {
    let data = pointers.data((section, offset.saturating_add(2 * WORD)));
    let bytes = data.and_then(|data| data.first_chunk());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
pub mod tests {
    use object::write::{Object, Relocation, StandardSection, Symbol, SymbolId, SymbolSection};
    use object::{
        Architecture, BinaryFormat, Endianness, RelocationEncoding, RelocationFlags,
        RelocationKind, SymbolFlags, SymbolKind, SymbolScope,
    };

    use super::*;

    /// A builder of a module's file.
    struct Module(Object<'static>);

    impl Module {
        fn add(&mut self, section: StandardSection, name: &str, data: &[u8]) -> SymbolId {
            let section = self.0.section_id(section);
            let value = self.0.append_section_data(section, data, 8);
            self.0.add_symbol(Symbol {
                name: name.into(),
                value,
                size: data.len() as u64,
                kind: SymbolKind::Data,
                scope: SymbolScope::Compilation,
                weak: false,
                section: SymbolSection::Section(section),
                flags: SymbolFlags::None,
            })
        }

        fn point(&mut self, from: SymbolId, offset: u64, to: SymbolId) {
            let SymbolSection::Section(section) = self.0.symbol(from).section else {
                unreachable!()
            };
            let offset = self.0.symbol(from).value + offset;
            let relocation = Relocation {
                offset,
                symbol: to,
                addend: 0,
                flags: RelocationFlags::Generic {
                    kind: RelocationKind::Absolute,
                    encoding: RelocationEncoding::Generic,
                    size: 64,
                },
            };
            self.0.add_relocation(section, relocation).unwrap();
        }

        fn string(&mut self, text: &str) -> SymbolId {
            let data = [text.as_bytes(), b"\0"].concat();
            self.add(StandardSection::ReadOnlyData, text, &data)
        }
    }

    /// A module ([`None`] for the kernel image), and its replaced functions with their positions.
    type Patched<'a> = (Option<&'a str>, &'a [(&'a str, u64)]);

    /// Returns the file of a live patch.
    pub fn patch(objects: &[Patched<'_>], modinfo: &str) -> Vec<u8> {
        const FUNC: usize = 152;
        const OBJECT: usize = 168;
        let mut file = Module(Object::new(
            BinaryFormat::Elf,
            Architecture::X86_64,
            Endianness::Little,
        ));
        let code = file.add(StandardSection::Text, "new", &[0xc3; 16]);
        let data = vec![0; OBJECT * (objects.len() + 1)];
        let objs = file.add(StandardSection::Data, "objs", &data);
        for (n, (module, functions)) in objects.iter().enumerate() {
            let mut data = vec![0; FUNC * (functions.len() + 1)];
            for (n, (_, position)) in functions.iter().enumerate() {
                data[n * FUNC + 16..][..8].copy_from_slice(&position.to_le_bytes());
            }
            let funcs = file.add(StandardSection::Data, "funcs", &data);
            for (n, (name, _)) in functions.iter().enumerate() {
                let name = file.string(name);
                file.point(funcs, (n * FUNC) as u64, name);
                file.point(funcs, (n * FUNC + 8) as u64, code);
            }
            let at = (n * OBJECT) as u64;
            if let Some(module) = module {
                let name = file.string(module);
                file.point(objs, at, name);
            }
            file.point(objs, at + 8, funcs);
        }
        let patch = file.add(StandardSection::Data, "patch", &[0; 120]);
        file.point(patch, 8, objs);
        let section = file.0.add_section(
            Vec::new(),
            b".modinfo".to_vec(),
            object::SectionKind::ReadOnlyData,
        );
        let modinfo = modinfo.replace(' ', "\0") + "\0";
        file.0.append_section_data(section, modinfo.as_bytes(), 1);
        file.0.write().unwrap()
    }

    #[test]
    fn functions_of_all_objects_are_found() {
        let data = patch(
            &[
                (None, &[("vfs_read", 0), ("twice", 2)]),
                (Some("ext4"), &[("ext4_sync_file", 1)]),
            ],
            "",
        );
        let file = object::File::parse(&*data).unwrap();
        let found: Vec<_> = functions(&file)
            .into_iter()
            .map(|one| (one.module, one.name, one.position))
            .collect();
        assert_eq!(
            found,
            [
                (None, "twice".to_owned(), 2),
                (None, "vfs_read".to_owned(), 0),
                (Some("ext4".to_owned()), "ext4_sync_file".to_owned(), 1),
            ]
        );
    }

    #[test]
    fn an_object_without_functions_does_not_hide_others() {
        let data = patch(&[(None, &[]), (Some("ext4"), &[("ext4_sync_file", 0)])], "");
        let file = object::File::parse(&*data).unwrap();
        let found = functions(&file);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].module.as_deref(), Some("ext4"));
    }

    #[test]
    fn a_file_without_a_patch_has_none() {
        let data = patch(&[], "");
        let file = object::File::parse(&*data).unwrap();
        assert_eq!(functions(&file), []);
    }
}
