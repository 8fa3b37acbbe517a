// SPDX-License-Identifier: GPL-2.0

//! Reads the name and the build ID of a module from its file.

use std::fs;
use std::path::Path;

use object::{Object, ObjectSection};

use crate::files;
use crate::roots::Roots;

/// The properties of a module that its file shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The module's name, as `modinfo` shows it.
    pub name: Option<String>,
    /// The build ID, which the linker has added.
    pub build_id: Option<Vec<u8>>,
}

impl About {
    /// Reads a file. The result is empty if the file is compressed or no module.
    pub fn read(path: &Path) -> Self {
        let Ok(data) = fs::read(path) else {
            return Self::default();
        };
        let Ok(object) = object::File::parse(&*data) else {
            return Self::default();
        };
        let modinfo = object.section_by_name(".modinfo");
        let modinfo = modinfo.and_then(|section| section.data().ok());
        let lines = modinfo.unwrap_or_default().split(|byte| *byte == 0);
        let name = lines
            .filter_map(|line| line.strip_prefix(b"name="))
            .find_map(|name| String::from_utf8(name.to_vec()).ok());
        Self {
            name,
            build_id: object.build_id().ok().flatten().map(<[u8]>::to_vec),
        }
    }
}

/// Returns the build ID of the loaded module `name`, if it has one.
pub fn loaded_build_id(roots: &Roots, name: &str) -> Option<Vec<u8>> {
    let note = roots.module(name).join("notes/.note.gnu.build-id");
    build_id_of_note(&fs::read(note).ok()?)
}

/// Returns the ID in a note of the type `NT_GNU_BUILD_ID`. A note has three words (the length of
/// the name, the length of the ID, and the type), the name, and the ID.
fn build_id_of_note(note: &[u8]) -> Option<Vec<u8>> {
    let word = |at: usize| -> Option<usize> {
        let bytes = note.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_ne_bytes(bytes)).ok()
    };
    let begin = 12 + word(0)?.next_multiple_of(4);
    note.get(begin..begin + word(4)?).map(<[u8]>::to_vec)
}

/// Returns the lockdown mode, if the kernel is locked down. Then even root cannot load unsigned
/// modules.
pub fn lockdown(roots: &Roots) -> Option<String> {
    let text = files::read(&roots.sys.join("kernel/security/lockdown")).ok()??;
    let mode = text.split_once('[')?.1.split_once(']')?.0.to_owned();
    (mode != "none").then_some(mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_has_a_build_id() {
        let mut note = Vec::new();
        for word in [4u32, 3, 3] {
            note.extend(word.to_ne_bytes());
        }
        note.extend(b"GNU\0abc");
        assert_eq!(build_id_of_note(&note), Some(b"abc".to_vec()));
        for len in 0..note.len() {
            assert_eq!(build_id_of_note(&note[..len]), None);
        }
    }

    #[test]
    fn a_file_that_is_no_module_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.ko");
        assert_eq!(About::read(&path), About::default());
        fs::write(&path, "no ELF").unwrap();
        assert_eq!(About::read(&path), About::default());
    }

    #[test]
    fn a_locked_down_kernel_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots {
            sys: dir.path().into(),
            ..Roots::default()
        };
        assert_eq!(lockdown(&roots), None);
        let folder = dir.path().join("kernel/security");
        fs::create_dir_all(&folder).unwrap();
        for (text, expected) in [
            ("[none] integrity confidentiality\n", None),
            (
                "none [integrity] confidentiality\n",
                Some("integrity".into()),
            ),
        ] {
            fs::write(folder.join("lockdown"), text).unwrap();
            assert_eq!(lockdown(&roots), expected);
        }
    }
}
