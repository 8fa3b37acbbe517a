// SPDX-License-Identifier: GPL-2.0

//! Tests the KTAP parser with the examples of the protocol and with property tests.

use proptest::prelude::*;
use tackle_qemu::ktap::{Event, Node, Parser, Status};

fn read(text: &str) -> (Vec<(usize, Node)>, Vec<String>) {
    let mut parser = Parser::new();
    let events = text.lines().filter_map(|line| parser.feed(line));
    let nodes = events.filter_map(|event| match event {
        Event::Finished(depth, node) => Some((depth, node)),
        Event::Begin(_) => None,
    });
    (nodes.collect(), parser.problems().to_vec())
}

fn names(nodes: &[(usize, Node)]) -> Vec<(usize, &str, Status)> {
    nodes
        .iter()
        .map(|(depth, node)| (*depth, node.name.as_str(), node.status))
        .collect()
}

/// This is the long example of ktap.rst.
#[test]
fn the_example_of_the_protocol() {
    let (nodes, problems) = read(
        "KTAP version 1\n1..1\n  KTAP version 1\n  1..3\n    KTAP version 1\n    1..1\n    \
         # test_1: initializing test_1\n    ok 1 test_1\n  ok 1 example_test_1\n    \
         KTAP version 1\n    1..2\n    ok 1 test_1 # SKIP test_1 skipped\n    ok 2 test_2\n  \
         ok 2 example_test_2\n    KTAP version 1\n    1..3\n    ok 1 test_1\n    \
         # test_2: FAIL\n    not ok 2 test_2\n    ok 3 test_3 # SKIP test_3 skipped\n  \
         not ok 3 example_test_3\nnot ok 1 main_test\n",
    );
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(
        names(&nodes),
        [
            (1, "example_test_1", Status::Passed),
            (1, "example_test_2", Status::Passed),
            (1, "example_test_3", Status::Failed),
            (0, "main_test", Status::Failed),
        ]
    );
    let third: Vec<_> = nodes[2]
        .1
        .children
        .iter()
        .map(|n| (n.name.as_str(), n.status))
        .collect();
    assert_eq!(
        third,
        [
            ("test_1", Status::Passed),
            ("test_2", Status::Failed),
            ("test_3", Status::Skipped)
        ]
    );
    assert_eq!(nodes[2].1.children[1].notes, ["test_2: FAIL"]);
    assert_eq!(nodes[3].1.subtests, 3);
}

#[test]
fn the_plan_may_come_last_or_not_at_all() {
    let (nodes, problems) = read("KTAP version 1\nok 1 a\nok 2 b\n1..2\n");
    assert_eq!((nodes.len(), problems.len()), (2, 0));
    let (nodes, problems) = read("TAP version 13\nok 1 a\n");
    assert_eq!((nodes.len(), problems.len()), (1, 0));
}

#[test]
fn the_last_notes_are_kept() {
    let notes: Vec<_> = (0..500).map(|n| format!("# note {n}")).collect();
    let notes = notes.join("\n");
    let (nodes, problems) = read(&format!("KTAP version 1\n1..1\n{notes}\nok 1 a\n"));
    assert!(problems.is_empty(), "{problems:?}");
    let kept = &nodes[0].1.notes;
    assert_eq!((kept.len(), kept[0].as_str()), (200, "note 300"));
    assert_eq!(kept[199], "note 499");
}

#[test]
fn carriage_returns_and_noise_change_nothing() {
    let (nodes, problems) = read(
        "U-Boot\r\nok 1 before the version line\r\nKTAP version 1\r\n1..1\r\n\
         [    1.0] random: x\r\n      ok 1 too deep\r\nnot ok 1 a # because\r\n\r\nbye\r\n",
    );
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(names(&nodes), [(0, "a", Status::Failed)]);
    assert_eq!(nodes[0].1.reason, "because");
    assert_eq!(nodes[0].1.notes, ["[    1.0] random: x", "ok 1 too deep"]);
}

#[test]
fn directives_decide() {
    let (nodes, _) = read(
        "KTAP version 1\nnot ok 1 a # SKIP x\nnot ok 2 b # XFAIL known\nok 3 c # TIMEOUT 3 s\n\
         ok 4 d # ERROR e\nnot ok 5 f # TODO later\nok 6 # rc=0\n",
    );
    let statuses: Vec<_> = nodes.iter().map(|(_, node)| node.status).collect();
    use Status::{Failed, Passed, Skipped};
    assert_eq!(statuses, [Skipped, Passed, Failed, Failed, Failed, Passed]);
    assert_eq!(nodes[5].1.name, "test 6");
}

#[test]
fn breaches_are_told() {
    for (text, word) in [
        ("KTAP version 1\nok 2 a\n", "instead of 1"),
        ("KTAP version 1\n1..1\n1..2\n", "second plan"),
        (
            "KTAP version 1\n  KTAP version 1\n  1..2\n  ok 1 a\nok 1 s\n",
            "2 tests planned, 1 seen",
        ),
        ("  KTAP version 1\n", "no block around"),
        (
            "KTAP version 1\n  KTAP version 1\n  ok 1 a\n  KTAP version 1\n",
            "ended without a result",
        ),
        (
            "KTAP version 1\n  KTAP version 1\n    KTAP version 1\n    ok 1 a\nok 1 s\n",
            "ended without",
        ),
    ] {
        let (_, problems) = read(text);
        assert!(
            problems.iter().any(|problem| problem.contains(word)),
            "{text}: {problems:?}"
        );
    }
}

#[test]
fn progress_tells_what_is_missing() {
    let mut parser = Parser::new();
    for line in [
        "KTAP version 1",
        "1..1",
        "  KTAP version 1",
        "  1..3",
        "  # begin a",
        "  ok 1 a",
    ] {
        parser.feed(line);
    }
    let inner = parser.progress(1).unwrap();
    assert_eq!((inner.planned, inner.seen), (Some(3), 1));
    assert!(!inner.complete());
    assert_eq!(parser.progress(2), None);
    assert_eq!(
        parser.feed("  # begin b"),
        Some(Event::Begin("b".to_owned()))
    );
}

#[derive(Clone, Debug)]
struct Tree {
    name: String,
    ok: bool,
    skip: bool,
    children: Vec<Tree>,
}

fn trees() -> impl Strategy<Value = Vec<Tree>> {
    let name = "[a-z][a-z_0-9]{0,8}( [a-z]{1,4})?";
    let leaf = (name, any::<bool>(), any::<bool>());
    let leaf = leaf.prop_map(|(name, ok, skip)| Tree {
        name,
        ok,
        skip,
        children: Vec::new(),
    });
    let tree = leaf.prop_recursive(3, 24, 4, move |inner| {
        (name, any::<bool>(), prop::collection::vec(inner, 1..4)).prop_map(
            |(name, ok, children)| Tree {
                name,
                ok,
                skip: false,
                children,
            },
        )
    });
    prop::collection::vec(tree, 0..5)
}

fn write(trees: &[Tree], depth: usize, noise: &str, out: &mut String) {
    let indent = "  ".repeat(depth);
    out.push_str(&format!(
        "{indent}KTAP version 1\r\n{indent}1..{}\n",
        trees.len()
    ));
    for (index, tree) in trees.iter().enumerate() {
        if !tree.children.is_empty() {
            write(&tree.children, depth + 1, noise, out);
        }
        let word = if tree.ok { "ok" } else { "not ok" };
        let skip = if tree.skip { " # SKIP why" } else { "" };
        out.push_str(&format!(
            "{indent}# {noise}\n{indent}{word} {} {}{skip}\n",
            index + 1,
            tree.name
        ));
    }
}

fn same(node: &Node, tree: &Tree) {
    let status = match (tree.skip, tree.ok) {
        (true, _) => Status::Skipped,
        (false, true) => Status::Passed,
        (false, false) => Status::Failed,
    };
    assert_eq!(
        (node.name.as_str(), node.status),
        (tree.name.as_str(), status)
    );
}

fn same_trees(nodes: &[Node], trees: &[Tree]) {
    assert_eq!(nodes.len(), trees.len());
    for (node, tree) in nodes.iter().zip(trees) {
        same(node, tree);
        same_trees(&node.children, &tree.children);
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read(trees in trees(), noise in "[ -~]{0,20}") {
        prop_assume!(!noise.trim_start().starts_with("begin "));
        let mut text = String::new();
        write(&trees, 0, &noise, &mut text);
        let (nodes, problems) = read(&text);
        prop_assert!(problems.is_empty(), "{problems:?}");
        let mut nodes = nodes.iter();
        for tree in &trees {
            for child in &tree.children {
                let (depth, node) = nodes.next().unwrap();
                prop_assert_eq!(*depth, 1);
                same(node, child);
                same_trees(&node.children, &child.children);
            }
            let (depth, node) = nodes.next().unwrap();
            prop_assert_eq!(*depth, 0);
            same(node, tree);
            prop_assert_eq!(node.subtests as usize, tree.children.len());
        }
        prop_assert!(nodes.next().is_none());
    }

    #[test]
    fn no_text_is_too_strange(text in any::<String>()) {
        read(&text);
    }

    #[test]
    fn nor_is_a_broken_report(lines in prop::collection::vec(
        "( ){0,7}(KTAP version 1|1\\.\\.[0-9]{0,11}|(not )?ok [0-9]{0,11}( [a-z#]{0,4}){0,3}|# ?(begin )?[a-z]{0,3}|\\PC{0,9})", 0..60)) {
        let mut parser = Parser::new();
        let mut finished = 0;
        for line in &lines {
            finished += usize::from(matches!(parser.feed(line), Some(Event::Finished(..))));
        }
        let results = lines.iter().filter(|line| line.contains("ok ")).count();
        prop_assert!(finished <= results);
    }
}
