// SPDX-License-Identifier: GPL-2.0

//! Builds the call graph of the functions in object files.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::Path;

use anyhow::{ensure, Context, Result};
use iced_x86::{Decoder, DecoderOptions};
use object::{
    Object as _, ObjectKind, ObjectSection as _, ObjectSymbol as _, RelocationKind,
    RelocationTarget, SectionIndex, SectionKind, SymbolKind,
};

/// The index of a function in a [`Graph`].
pub type Node = usize;

/// The functions of some files, and the functions that they call.
#[derive(Debug, Default)]
pub struct Graph {
    functions: Vec<Function>,
    /// The functions that other files can call, by the names of their symbols.
    global: BTreeMap<String, Node>,
    /// Whether a file is a module for a kernel with PREEMPT_RT.
    is_rt: bool,
}

#[derive(Debug)]
struct Function {
    /// Its name in the source code.
    name: String,
    /// Whether it was written in Rust.
    is_rust: bool,
    /// Whether one of the files has its code.
    is_defined: bool,
    calls: BTreeSet<Node>,
}

/// Returns whether a module is built for a kernel with PREEMPT_RT, by its `vermagic`
/// (`include/linux/vermagic.h`).
fn is_for_rt(file: &object::File<'_>) -> bool {
    let section = file.section_by_name(".modinfo");
    let data = section.and_then(|section| section.data().ok());
    data.unwrap_or_default()
        .split(|byte| *byte == 0)
        .filter_map(|entry| std::str::from_utf8(entry).ok()?.strip_prefix("vermagic="))
        .any(|vermagic| vermagic.split(' ').any(|word| word == "preempt_rt"))
}

impl Graph {
    /// Returns each function with its name.
    pub fn functions(&self) -> impl Iterator<Item = (Node, &str)> {
        let functions = self.functions.iter().enumerate();
        functions.map(|(node, function)| (node, function.name.as_str()))
    }

    /// Returns whether one of the files is a module for a kernel with PREEMPT_RT.
    pub fn is_rt(&self) -> bool {
        self.is_rt
    }

    /// Returns a function's name.
    pub fn name(&self, node: Node) -> &str {
        &self.functions[node].name
    }

    /// Returns the functions that a function calls.
    pub fn calls(&self, node: Node) -> &BTreeSet<Node> {
        &self.functions[node].calls
    }

    /// Returns whether a function is written in Rust and no file has its code.
    pub fn is_missing_rust(&self, node: Node) -> bool {
        let function = &self.functions[node];
        function.is_rust && !function.is_defined
    }

    fn push(&mut self, symbol: &str) -> Node {
        self.functions.push(Function {
            name: format!("{:#}", rustc_demangle::demangle(symbol)),
            is_rust: rustc_demangle::try_demangle(symbol).is_ok(),
            is_defined: false,
            calls: BTreeSet::new(),
        });
        self.functions.len() - 1
    }

    /// Returns the function with a global symbol, and adds it if it is not known.
    fn global(&mut self, symbol: &str) -> Node {
        if let Some(&node) = self.global.get(symbol) {
            return node;
        }
        let node = self.push(symbol);
        self.global.insert(symbol.to_owned(), node);
        node
    }

    /// Adds a call between functions with global symbols. Marks the caller as defined.
    #[cfg(test)]
    pub fn add(&mut self, caller: &str, called: &str) {
        let (caller, called) = (self.global(caller), self.global(called));
        self.functions[caller].is_defined = true;
        self.functions[caller].calls.insert(called);
    }

    /// Marks a function as written in Rust. Names in tests are not mangled, so they do not show
    /// it.
    #[cfg(test)]
    pub fn set_rust(&mut self, name: &str) {
        let node = self.global(name);
        self.functions[node].is_rust = true;
    }

    /// Adds the functions of an object file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or is no module.
    pub fn read(&mut self, path: &Path) -> Result<()> {
        let shown = path.display();
        let data = fs::read(path).with_context(|| format!("cannot read {shown}"))?;
        let file = object::File::parse(&*data)
            .with_context(|| format!("{shown} is no module, or compressed"))?;
        ensure!(
            file.kind() == ObjectKind::Relocatable,
            "{shown} is no module"
        );
        self.is_rt |= is_for_rt(&file);
        let places = self.define(&file)?;
        for section in file.sections() {
            if section.kind() != SectionKind::Text {
                continue;
            }
            for (offset, relocation) in section.relocations() {
                let Some(caller) = places.at(section.index(), offset) else {
                    continue;
                };
                let RelocationTarget::Symbol(index) = relocation.target() else {
                    continue;
                };
                let symbol = file.symbol_by_index(index)?;
                let called = if symbol.is_undefined() {
                    self.global(symbol.name()?)
                } else {
                    // A relative operand is relative to its end, and it has four bytes.
                    let behind = match relocation.kind() {
                        RelocationKind::Absolute => 0,
                        _ => 4,
                    };
                    let addend = relocation.addend().wrapping_add(behind);
                    let address = symbol.address().wrapping_add_signed(addend);
                    let target = symbol
                        .section_index()
                        .and_then(|section| places.at(section, address));
                    match target {
                        Some(target) => target,
                        // The target is data, or a label outside of all functions with symbols.
                        None => continue,
                    }
                };
                self.functions[caller].calls.insert(called);
            }
            self.read_code(&section, &places)?;
        }
        Ok(())
    }

    /// Adds the calls within a section. They have no relocations.
    fn read_code(&mut self, section: &object::Section<'_, '_>, places: &Places) -> Result<()> {
        let code = section.data()?;
        let relocations: BTreeSet<u64> = section.relocations().map(|(offset, _)| offset).collect();
        for (range, caller) in places.functions(section.index()) {
            let bytes = code
                .get(range.start as usize..range.end as usize)
                .context("a function is longer than its section")?;
            let decoder = Decoder::with_ip(64, bytes, range.start, DecoderOptions::NONE);
            for instruction in decoder {
                let own = instruction.ip()..instruction.next_ip();
                if relocations.range(own).next().is_some() {
                    continue;
                }
                let target = if instruction.is_ip_rel_memory_operand() {
                    instruction.ip_rel_memory_address()
                } else if instruction.near_branch_target() != 0 {
                    instruction.near_branch_target()
                } else {
                    continue;
                };
                if let Some(called) = places.at(section.index(), target) {
                    self.functions[caller].calls.insert(called);
                }
            }
        }
        Ok(())
    }

    /// Adds the functions that a file defines.
    fn define(&mut self, file: &object::File<'_>) -> Result<Places> {
        let mut places = Places::default();
        for symbol in file.symbols() {
            let Some(section) = symbol.section_index() else {
                continue;
            };
            if symbol.kind() != SymbolKind::Text || symbol.size() == 0 {
                continue;
            }
            let range = symbol.address()..symbol.address() + symbol.size();
            let place = places.0.entry((section.0, range.start));
            self.define_function(place, range, symbol.name()?, symbol.is_global());
        }
        Ok(places)
    }

    /// Adds the function `symbol`, whose code is in `range`.
    ///
    /// LLVM merges functions of the same code, so code can have several names. In each file, the
    /// calls of the code belong to its first name. Each other name calls the first one.
    fn define_function(
        &mut self,
        place: Entry<'_, (usize, u64), (Range<u64>, Node)>,
        range: Range<u64>,
        symbol: &str,
        is_global: bool,
    ) {
        let node = if is_global {
            self.global(symbol)
        } else {
            self.push(symbol)
        };
        self.functions[node].is_defined = true;
        let (_, first) = *place.or_insert((range, node));
        if first != node {
            self.functions[node].calls.insert(first);
        }
    }
}

/// The functions of a file by section and address.
#[derive(Default)]
struct Places(BTreeMap<(usize, u64), (Range<u64>, Node)>);

impl Places {
    /// Returns the functions of a section.
    fn functions(&self, section: SectionIndex) -> impl Iterator<Item = (Range<u64>, Node)> + '_ {
        let places = self.0.range((section.0, 0)..=(section.0, u64::MAX));
        places.map(|(_, (range, node))| (range.clone(), *node))
    }

    fn at(&self, section: SectionIndex, address: u64) -> Option<Node> {
        let (&(found, _), (range, node)) = self.0.range(..=(section.0, address)).next_back()?;
        (found == section.0 && range.contains(&address)).then_some(*node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two global names of the same code at address 0, which calls `mutex_lock`.
    const NAMES: [&str; 2] = ["first", "second"];

    fn define(graph: &mut Graph) {
        let mut places = Places::default();
        for name in NAMES {
            graph.define_function(places.0.entry((1, 0)), 0..16, name, true);
        }
        let caller = places.at(SectionIndex(1), 4).unwrap();
        let called = graph.global("mutex_lock");
        graph.functions[caller].calls.insert(called);
    }

    /// Returns whether `mutex_lock` can be reached from a function.
    fn locks(graph: &Graph, from: Node) -> bool {
        let calls = graph.calls(from);
        graph.name(from) == "mutex_lock" || calls.iter().any(|&called| locks(graph, called))
    }

    #[test]
    fn each_name_of_merged_code_is_defined() {
        for is_called_first in [false, true] {
            for name in NAMES {
                let mut graph = Graph::default();
                if !is_called_first {
                    define(&mut graph);
                }
                let called = graph.global(name);
                graph.set_rust(name);
                if is_called_first {
                    define(&mut graph);
                }
                let case = format!("{name}, called before its file is read: {is_called_first}");
                assert!(!graph.is_missing_rust(called), "{case}");
                assert!(locks(&graph, called), "{case}");
            }
        }
    }
}
