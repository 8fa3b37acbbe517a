// SPDX-License-Identifier: GPL-2.0

//! Implements `tackle hook check`: finds handlers of hooks that may sleep or allocate, which they
//! must not.
//!
//! Rust's types cannot forbid this, since any function may allocate. But a module's object file
//! shows which functions each of its functions calls. For each handler, a module has its own copy
//! of the library's functions that call a handler. The check follows the calls from these
//! functions through all given files. It recognizes functions of the kernel only by their names.
//! It does not see calls through pointers. If a handler calls a Rust function whose code is in
//! none of the files, the check fails. Such functions are those of the library if `tackle.ko` and
//! `tackle_ftrace.ko` are not given.

mod forbidden;
mod graph;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

use anyhow::{ensure, Result};

use forbidden::Why;
use graph::{Graph, Node};

/// A forbidden function that a handler calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The handler's type, followed by ` at the exit` for a handler of function exits.
    pub handler: String,
    /// The functions of the call chain. The last one is forbidden.
    pub path: Vec<String>,
    /// Why the function is forbidden: it sleeps or allocates.
    pub why: &'static str,
}

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The number of handlers.
    pub handlers: usize,
    /// The forbidden functions that the handlers call.
    pub findings: Vec<Finding>,
    /// The Rust functions that the handlers call and whose code is in none of the files, sorted.
    pub missing: Vec<String>,
}

/// Checks the handlers in `files`. `tackle.ko` and `tackle_ftrace.ko` must be among `files` if
/// handlers call functions of them.
///
/// # Errors
/// Returns an error if a file cannot be read or is no module, or if no file has a handler.
pub fn check(files: &[PathBuf]) -> Result<Report> {
    let mut graph = Graph::default();
    for file in files {
        graph.read(file)?;
    }
    let report = report(&graph);
    ensure!(
        report.handlers > 0,
        "there is no handler of a hook in these files"
    );
    Ok(report)
}

fn report(graph: &Graph) -> Report {
    let mut handlers = BTreeSet::new();
    let mut findings = BTreeMap::new();
    let mut missing = BTreeSet::new();
    for (root, name) in graph.functions() {
        let Some(handler) = handler(name) else {
            continue;
        };
        let reached = search(graph, root);
        for (why, path) in reached.findings {
            let key = (handler.clone(), why);
            findings.entry(key).or_insert(path);
        }
        missing.extend(reached.missing);
        handlers.insert(handler);
    }
    let findings = findings.into_iter().map(|((handler, why), path)| Finding {
        handler,
        path,
        why: why.text(),
    });
    Report {
        handlers: handlers.len(),
        findings: findings.collect(),
        missing: missing.into_iter().collect(),
    }
}

/// The crates that are part of the kernel. Functions of these crates are recognized by their
/// names.
const KERNEL: &[&str] = &[
    "alloc",
    "bindings",
    "build_error",
    "compiler_builtins",
    "core",
    "ffi",
    "kernel",
    "pin_init",
    "uapi",
    "zerocopy",
];

/// Returns whether all paths in a Rust function's name belong to crates of the kernel.
fn is_of_kernel(name: &str) -> bool {
    let in_paths = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let paths = name.split(|c| !in_paths(c));
    paths
        .filter_map(|path| path.split_once("::"))
        // A path that begins with `::` continues a type in `<>`.
        .all(|(first, _)| first.is_empty() || KERNEL.contains(&first))
}

/// Returns the handler that the function `name` calls, if it is one of the library's functions
/// that call handlers.
fn handler(name: &str) -> Option<String> {
    let functions = [
        "tackle::ftrace::slot::lone::<",
        "tackle::ftrace::slot::last::<",
        "tackle::ftrace::slot::step::<",
        "tackle::ftrace::direct::enter::<",
    ];
    let others = [
        ("<tackle::ftrace::divert::OverrideHook<", ">>::callback", ""),
        ("tackle::ftrace::exit::chain::entry::<", ">", ""),
        ("tackle::ftrace::exit::chain::exit::<", ">", " at the exit"),
    ];
    let within = |start, end| name.strip_prefix(start)?.strip_suffix(end);
    let function = functions.iter().find_map(|start| within(start, ">"));
    let other = others.iter().find_map(|(start, end, place)| {
        within(start, end).map(|handler| format!("{handler}{place}"))
    });
    function.map(str::to_owned).or(other)
}

/// The result of a search.
#[derive(Default)]
struct Reached {
    /// The shortest path to each kind of forbidden function.
    findings: BTreeMap<Why, Vec<String>>,
    /// The Rust functions whose code is in none of the files and which are no functions of the
    /// kernel.
    missing: BTreeSet<String>,
}

/// Follows the calls from a function, in the order of their distance.
fn search(graph: &Graph, root: Node) -> Reached {
    let mut from = BTreeMap::from([(root, None)]);
    let mut queue = VecDeque::from([root]);
    let mut reached = Reached::default();
    while let Some(node) = queue.pop_front() {
        for &called in graph.calls(node) {
            if from.contains_key(&called) {
                continue;
            }
            from.insert(called, Some(node));
            let name = graph.name(called);
            if let Some(why) = forbidden::why(name, graph.is_rt()) {
                let path = || way(graph, &from, called);
                reached.findings.entry(why).or_insert_with(path);
            } else if graph.is_missing_rust(called) && !is_of_kernel(name) {
                reached.missing.insert(name.to_owned());
            } else {
                queue.push_back(called);
            }
        }
    }
    reached
}

/// Returns the names on the path from the root to `end`, without the root.
fn way(graph: &Graph, from: &BTreeMap<Node, Option<Node>>, end: Node) -> Vec<String> {
    let mut path = Vec::new();
    let mut node = end;
    while let Some(&Some(before)) = from.get(&node) {
        path.push(graph.name(node).to_owned());
        node = before;
    }
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(calls: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::default();
        for (caller, called) in calls {
            graph.add(caller, called);
        }
        graph
    }

    const HANDLER: &str = "tackle::ftrace::slot::lone::<mine::Handler>";

    #[test]
    fn the_path_to_a_forbidden_function_is_reported() {
        let report = report(&graph(&[
            (HANDLER, "mine::a"),
            ("mine::a", "mine::b"),
            ("mine::b", "mine::a"),
            ("mine::b", "mutex_lock"),
            ("mine::b", "rust_helper_krealloc_node_align"),
            // No handler calls this one.
            ("mine::init", "msleep"),
        ]));
        assert_eq!(report.handlers, 1);
        let told: Vec<_> = report
            .findings
            .iter()
            .map(|f| (f.why, f.path.join(" ")))
            .collect();
        assert_eq!(
            told,
            [
                ("sleeps", "mine::a mine::b mutex_lock".into()),
                (
                    "allocates",
                    "mine::a mine::b rust_helper_krealloc_node_align".into()
                ),
            ]
        );
    }

    #[test]
    fn a_handler_that_does_neither_passes() {
        let report = report(&graph(&[
            (HANDLER, "ktime_get_mono_fast_ns"),
            (HANDLER, "core::panicking::panic"),
            (HANDLER, "rust_helper___preempt_schedule_notrace"),
            (
                "tackle::ftrace::slot::last::<mine::Handler>",
                "core::panicking::panic",
            ),
        ]));
        assert_eq!((report.handlers, report.findings), (1, vec![]));
    }

    #[test]
    fn functions_of_no_file_are_reported() {
        let calls = [
            (HANDLER, "tackle::hook::record"),
            (HANDLER, "<tackle::Name as core::fmt::Display>::fmt"),
            (HANDLER, "core::panicking::panic"),
            (HANDLER, "<kernel::str::CStr as core::fmt::Display>::fmt"),
            (HANDLER, "ktime_get"),
            ("mine::init", "tackle::hook::new"),
        ];
        let mut graph = graph(&calls);
        for (_, called) in calls.iter().filter(|(_, called)| called.contains("::")) {
            graph.set_rust(called);
        }
        let missing = [
            "<tackle::Name as core::fmt::Display>::fmt",
            "tackle::hook::record",
        ];
        assert_eq!(report(&graph).missing, missing);
        // With the library's code no function is missing.
        graph.add("tackle::hook::record", "ktime_get");
        graph.add(missing[0], "msleep");
        let report = report(&graph);
        assert_eq!((report.missing.len(), report.findings.len()), (0, 1));
    }

    #[test]
    fn each_kind_of_hook_has_its_roots() {
        for (name, expected) in [
            ("tackle::ftrace::slot::step::<mine::H<u8>>", "mine::H<u8>"),
            ("tackle::ftrace::direct::enter::<mine::H>", "mine::H"),
            (
                "<tackle::ftrace::divert::OverrideHook<mine::F, mine::H>>::callback",
                "mine::F, mine::H",
            ),
            ("tackle::ftrace::exit::chain::entry::<mine::H>", "mine::H"),
            (
                "tackle::ftrace::exit::chain::exit::<mine::H>",
                "mine::H at the exit",
            ),
        ] {
            assert_eq!(handler(name).as_deref(), Some(expected), "{name}");
        }
        for name in [
            "tackle::ftrace::slot::many",
            "<tackle::ftrace::exit::ExitHook<mine::H>>::new",
            "core::ptr::drop_in_place::<tackle::ftrace::exit::ExitHook<mine::H>>",
        ] {
            assert_eq!(handler(name), None, "{name}");
        }
    }
}
