// SPDX-License-Identifier: GPL-2.0

//! Finds functions of the same name and the compiler's clones of a function in `/proc/kallsyms`.
//!
//! A clone has the name of its function and a suffix (`.part.0`, `.isra.0`, `.constprop.0`).
//! Callers of the function may call the clone instead, so a hook on the function does not see
//! their calls.

use anyhow::Result;

use crate::files;
use crate::roots::Roots;

/// The suffixes of clones that can be hooked. `.cold` is none: that is a piece of a function.
const CLONES: [&str; 4] = ["part", "isra", "constprop", "llvm"];

/// A symbol of `/proc/kallsyms`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Symbol {
    address: u64,
    name: String,
    /// [`None`] for the kernel image.
    module: Option<String>,
    /// Whether the symbol is a function, and no data.
    is_function: bool,
}

impl Symbol {
    /// Parses a line such as `ffffffff81000000 t name [module]`.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let address = u64::from_str_radix(words.next()?, 16).ok()?;
        let kind = words.next()?;
        let name = words.next()?.to_owned();
        let module = words.next().map(|word| word.trim_matches(['[', ']']));
        Some(Self {
            address,
            name,
            module: module.map(str::to_owned),
            is_function: matches!(kind, "t" | "T" | "w" | "W"),
        })
    }
}

/// The symbols of the kernel.
#[derive(Debug)]
pub struct Symbols(Vec<Symbol>);

/// The functions of one name, and their clones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// A description of each function with exactly this name, in the order of their positions.
    pub same: Vec<String>,
    /// The names of the clones, as `MODULE:CLONE` if the request has a module.
    pub clones: Vec<String>,
}

impl Symbols {
    /// Reads the symbols of the kernel at `roots`. The result is empty if there is no `kallsyms`.
    ///
    /// # Errors
    /// Returns an error if the file exists and cannot be read.
    pub fn read(roots: &Roots) -> Result<Self> {
        let text = files::read(&roots.proc.join("kallsyms"))?.unwrap_or_default();
        Ok(Self(text.lines().filter_map(Symbol::parse).collect()))
    }

    /// Returns the functions and clones of `[MODULE:]FUNCTION`. Without a module, only the kernel
    /// image is searched; if it has none of them, all modules are.
    pub fn find(&self, function: &str) -> Found {
        let (module, name) = match function.split_once(':') {
            Some((module, name)) => (Some(module), name),
            None => (None, function),
        };
        let of = self.0.iter().filter(|one| one.is_function);
        let all: Vec<_> = of.filter(|one| is_of(&one.name, name)).collect();
        let meant: Vec<&Symbol> = match module {
            Some(_) => keep(&all, |one| one.module.as_deref() == module),
            None => match keep(&all, |one| one.module.is_none()) {
                proper if proper.is_empty() => all,
                proper => proper,
            },
        };
        let same = keep(&meant, |one| one.name == name);
        let mut clones: Vec<_> = keep(&meant, |one| one.name != name)
            .iter()
            .map(|one| match module {
                Some(module) => format!("{module}:{}", one.name),
                None => one.name.clone(),
            })
            .collect();
        clones.sort();
        clones.dedup();
        let same = same.iter().enumerate();
        Found {
            same: same.map(|(n, one)| self.describe(n + 1, one)).collect(),
            clones,
        }
    }

    /// Returns whether the kernel shows addresses, which `kptr_restrict` may forbid.
    pub fn shows_addresses(&self) -> bool {
        self.0.iter().any(|one| one.address != 0)
    }

    /// Returns the addresses of all symbols `name` of `module`, or of the kernel image, in the
    /// order of their positions. The livepatch core counts symbols of data as well.
    pub fn addresses(&self, module: Option<&str>, name: &str) -> Vec<u64> {
        let of = self.0.iter();
        of.filter(|one| one.name == name && one.module.as_deref() == module)
            .map(|one| one.address)
            .collect()
    }

    /// Describes a symbol's place, as in `1 in ext4 between a and b`.
    fn describe(&self, position: usize, symbol: &Symbol) -> String {
        let here = keep(&self.0.iter().collect::<Vec<_>>(), |other| {
            other.is_function && other.module == symbol.module && other.name != symbol.name
        });
        let before = here.iter().filter(|other| other.address < symbol.address);
        let after = here.iter().filter(|other| other.address > symbol.address);
        let before = before.max_by_key(|other| other.address);
        let after = after.min_by_key(|other| other.address);
        let place = match (before, after) {
            (Some(before), Some(after)) => format!(" between {} and {}", before.name, after.name),
            (Some(before), None) => format!(" behind {}", before.name),
            (None, Some(after)) => format!(" before {}", after.name),
            (None, None) => String::new(),
        };
        let module = symbol.module.as_deref().unwrap_or("vmlinux");
        format!("{position} in {module}{place}")
    }
}

fn keep<'a>(of: &[&'a Symbol], is_meant: impl Fn(&Symbol) -> bool) -> Vec<&'a Symbol> {
    of.iter().copied().filter(|one| is_meant(one)).collect()
}

/// Returns whether `symbol` is `name` or a clone of it.
fn is_of(symbol: &str, name: &str) -> bool {
    let Some(suffix) = symbol.strip_prefix(name) else {
        return false;
    };
    // `f.part.0.isra.0` is a clone of `f`; `f.part.0.cold` is a piece of a clone.
    let mut words = suffix.split('.');
    words.next() == Some("")
        && words
            .all(|word| CLONES.contains(&word) || word.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols() -> Symbols {
        let text = "\
ffffffff81000000 T _stext
ffffffff81000010 t first
ffffffff81000020 t twice
ffffffff81000030 t between
ffffffff81000040 t twice
ffffffff81000050 t show_signal.part.0
ffffffff81000060 t show_signal.part.0.cold
ffffffff81000070 T both
ffffffff81000080 t both.isra.0
ffffffff81000090 t both.constprop.1.isra.0
ffffffff810000a0 D both.data
ffffffffc0000000 t inner\t[ext4]
ffffffffc0000010 t inner.part.0\t[ext4]
ffffffffc0000020 t both\t[ext4]
";
        Symbols(text.lines().filter_map(Symbol::parse).collect())
    }

    #[test]
    fn clones_are_found() {
        let found = symbols().find("show_signal");
        assert_eq!(found.same, [""; 0]);
        assert_eq!(found.clones, ["show_signal.part.0"]);
        let found = symbols().find("both");
        assert_eq!(found.same.len(), 1);
        assert_eq!(found.clones, ["both.constprop.1.isra.0", "both.isra.0"]);
        assert_eq!(symbols().find("show_signal.part.0").clones, [""; 0]);
        assert_eq!(symbols().find("show").clones, [""; 0]);
    }

    #[test]
    fn those_of_modules_have_its_name() {
        assert_eq!(symbols().find("ext4:inner").clones, ["ext4:inner.part.0"]);
        assert_eq!(symbols().find("inner").clones, ["inner.part.0"]);
        assert_eq!(symbols().find("ext4:both").clones, [""; 0]);
        assert_eq!(symbols().find("no:inner"), Found::default());
    }

    #[test]
    fn those_of_one_name_have_their_place() {
        let found = symbols().find("twice");
        assert_eq!(
            found.same,
            [
                "1 in vmlinux between first and between",
                "2 in vmlinux between between and show_signal.part.0"
            ]
        );
        assert_eq!(
            symbols().find("ext4:inner").same,
            ["1 in ext4 before inner.part.0"]
        );
    }
}
