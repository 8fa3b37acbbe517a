// SPDX-License-Identifier: GPL-2.0

//! Whether the handlers of a module could sleep or allocate, which where they run they must
//! not.
//!
//! Rust's types do not tell: any function may allocate. But a module's object file names
//! what each of its functions calls. So from the library's functions that call a handler, of
//! which a module has its own for each handler, all is looked at that can be reached within
//! the files given. Functions of the kernel are known by their names alone. What is called
//! through a pointer is not seen.

mod forbidden;
mod graph;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

use anyhow::{ensure, Result};

use forbidden::Why;
use graph::{Graph, Node};

/// What a handler calls and must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The handler's type, and where it is called if that is not a function's entry.
    pub handler: String,
    /// The functions on the way, the last one being the forbidden one.
    pub path: Vec<String>,
    /// What is wrong with that.
    pub why: &'static str,
}

/// What there is to say about modules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many handlers there are.
    pub handlers: usize,
    /// What they must not call.
    pub findings: Vec<Finding>,
}

/// Looks at the handlers in `files`; `tackle.ko` should be one of them, since modules call it.
///
/// # Errors
/// When a file cannot be read or is no object file, or there is no handler in any.
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
    for (root, name) in graph.functions() {
        let Some(handler) = handler(name) else {
            continue;
        };
        for (why, path) in search(graph, root) {
            let key = (handler.clone(), why);
            findings.entry(key).or_insert(path);
        }
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
    }
}

/// The handler for which the library has the function `name`, if it is one of those through
/// which it calls handlers.
fn handler(name: &str) -> Option<String> {
    let functions = [
        "tackle::ftrace::slot::lone::<",
        "tackle::ftrace::slot::last::<",
        "tackle::ftrace::slot::step::<",
        "tackle::ftrace::direct::enter::<",
    ];
    let methods = [
        ("<tackle::ftrace::divert::Overriding<", ">>::callback", ""),
        ("<tackle::fprobe::Registration<", ">>::entry", ""),
        ("<tackle::fprobe::Registration<", ">>::exit", " at the exit"),
    ];
    let within = |start, end| name.strip_prefix(start)?.strip_suffix(end);
    let function = functions.iter().find_map(|start| within(start, ">"));
    let method = methods.iter().find_map(|(start, end, place)| {
        within(start, end).map(|handler| format!("{handler}{place}"))
    });
    function.map(str::to_owned).or(method)
}

/// The shortest way from a function to each kind of what a handler must not call.
fn search(graph: &Graph, root: Node) -> BTreeMap<Why, Vec<String>> {
    let mut from = BTreeMap::from([(root, None)]);
    let mut queue = VecDeque::from([root]);
    let mut findings = BTreeMap::new();
    while let Some(node) = queue.pop_front() {
        for &called in graph.calls(node) {
            if from.contains_key(&called) {
                continue;
            }
            from.insert(called, Some(node));
            match forbidden::why(graph.name(called)) {
                None => queue.push_back(called),
                Some(why) => {
                    let path = || way(graph, &from, called);
                    findings.entry(why).or_insert_with(path);
                }
            }
        }
    }
    findings
}

/// The names from behind the root to `end`.
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
    fn the_way_to_what_is_forbidden_is_told() {
        let report = report(&graph(&[
            (HANDLER, "mine::a"),
            ("mine::a", "mine::b"),
            ("mine::b", "mine::a"),
            ("mine::b", "mutex_lock"),
            ("mine::b", "rust_helper_krealloc_node_align"),
            // Of what nobody calls nothing is said.
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
    fn each_kind_of_hook_has_its_roots() {
        for (name, expected) in [
            ("tackle::ftrace::slot::step::<mine::H<u8>>", "mine::H<u8>"),
            ("tackle::ftrace::direct::enter::<mine::H>", "mine::H"),
            (
                "<tackle::ftrace::divert::Overriding<mine::F, mine::H>>::callback",
                "mine::F, mine::H",
            ),
            ("<tackle::fprobe::Registration<mine::H>>::entry", "mine::H"),
            (
                "<tackle::fprobe::Registration<mine::H>>::exit",
                "mine::H at the exit",
            ),
        ] {
            assert_eq!(handler(name).as_deref(), Some(expected), "{name}");
        }
        for name in [
            "tackle::ftrace::slot::many",
            "<tackle::fprobe::Registration<mine::H>>::new",
            "core::ptr::drop_in_place::<tackle::fprobe::Registration<mine::H>>",
        ] {
            assert_eq!(handler(name), None, "{name}");
        }
    }
}
