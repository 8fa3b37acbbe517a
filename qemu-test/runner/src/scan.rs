// SPDX-License-Identifier: GPL-2.0

//! Implements the checks of source files that need no other program.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// Directories whose Rust code must not contain `unsafe`.
const SAFE: &[&str] = &[
    "modules",
    "samples",
    "rust/core",
    "rust/kunit",
    "qemu-test/bench",
    "tools",
];

static UNSAFE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\bunsafe\b").expect("a valid pattern"));

/// Returns whether `path` is under one of `dirs`.
pub fn is_under(path: &Path, dirs: &[&str]) -> bool {
    dirs.iter().any(|dir| path.starts_with(dir))
}

/// Returns whether `path` is a Rust source file.
pub fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// Returns whether `path` is C code: a source file or a header.
pub fn is_c(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "c" || extension == "h")
}

/// Returns whether the file is a shell script, by its name or its first line.
pub fn is_shell(path: &Path, content: &str) -> bool {
    if path.extension().is_some_and(|extension| extension == "sh") {
        return true;
    }
    let Some(interpreter) = content
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("#!"))
    else {
        return false;
    };
    let mut words = interpreter.split_whitespace();
    let program = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
    let first = words.next().map(program);
    let name = match first.as_deref() {
        Some("env") => words.find(|word| !word.starts_with('-')).map(program),
        _ => first,
    };
    matches!(name.as_deref(), Some("sh" | "bash" | "dash"))
}

/// Returns the lines with a forbidden word `unsafe`, as `path:line: text`.
pub fn find_unsafe(path: &Path, content: &str) -> Vec<String> {
    if !is_rust(path) || !is_under(path, SAFE) {
        return Vec::new();
    }
    let lines = content
        .lines()
        .enumerate()
        .filter(|(_, line)| UNSAFE.is_match(line));
    lines
        .map(|(index, line)| format!("{}:{}: {}", path.display(), index + 1, line.trim()))
        .collect()
}

/// Returns whether a file must name its licence. Files that cannot have a comment, generated files
/// and texts of licences need not.
pub fn needs_licence(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let extension = path
        .extension()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    !(matches!(name, "COPYING" | "Cargo.lock")
        || name.starts_with("LICENSE")
        || path.starts_with("LICENSES")
        || matches!(extension, "json" | "patch" | "lock"))
}

/// Returns whether one of the first two lines names the licence.
pub fn has_licence(content: &str) -> bool {
    content
        .lines()
        .take(2)
        .any(|line| line.contains("SPDX-License-Identifier: "))
}

/// Reads files. Returns the path and the content of each text file. Other files and links are left
/// out.
pub fn read_all(paths: Vec<PathBuf>) -> Vec<(PathBuf, String)> {
    let read = |path: PathBuf| {
        let is_file = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
        let content = if is_file {
            fs::read(&path).ok()?
        } else {
            return None;
        };
        if content.contains(&0) {
            return None;
        }
        Some((path, String::from_utf8_lossy(&content).into_owned()))
    };
    paths.into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells() {
        for (name, content) in [
            ("a.sh", ""),
            ("a", "#!/bin/sh\n"),
            ("a", "#! /bin/bash -e\n"),
            ("a", "#!/usr/bin/env -S bash\n"),
        ] {
            assert!(is_shell(Path::new(name), content), "{name} {content}");
        }
        for (name, content) in [
            ("a.py", "#!/usr/bin/env python3\n"),
            ("a", "#!/bin/fish\n"),
            ("a", "sh"),
            ("sh", ""),
        ] {
            assert!(!is_shell(Path::new(name), content), "{name} {content}");
        }
    }

    #[test]
    fn the_word_and_not_its_relatives() {
        let source = "#![forbid(unsafe_code)]\nfn f() { unsafe { g() } }\n";
        let found = find_unsafe(Path::new("modules/a.rs"), source);
        assert_eq!(found, ["modules/a.rs:2: fn f() { unsafe { g() } }"]);
        for elsewhere in [
            "rust/base/a.rs",
            "rust/tackle/a.rs",
            "modules/a.c",
            "modules_old/a.rs",
        ] {
            assert!(
                find_unsafe(Path::new(elsewhere), source).is_empty(),
                "{elsewhere}"
            );
        }
    }

    #[test]
    fn licences() {
        assert!(has_licence(
            "#!/bin/sh\n# SPDX-License-Identifier: GPL-2.0\n"
        ));
        assert!(!has_licence("\n\n# SPDX-License-Identifier: GPL-2.0\n"));
        for file in ["Makefile", "a/Kbuild", ".gitignore", "a.rst", "a.rs"] {
            assert!(needs_licence(Path::new(file)), "{file}");
        }
        for file in [
            "COPYING",
            "Cargo.lock",
            "LICENSES/GPL-2.0",
            "scripts/patches/0001-a.patch",
        ] {
            assert!(!needs_licence(Path::new(file)), "{file}");
        }
    }
}
