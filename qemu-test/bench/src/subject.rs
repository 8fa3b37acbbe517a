// SPDX-License-Identifier: GPL-2.0

//! What is measured: the subjects of each suite, what their figures are over, and which
//! C original each is held against.

use anyhow::{Context, Result};

/// The case with the figures that the others are over.
pub const BARE: &str = "bare";

/// Something that is measured in one or more cases of a suite.
#[derive(Debug, PartialEq, Eq)]
pub struct Subject {
    /// The suite.
    pub suite: &'static str,
    /// The name, as in records.
    pub name: &'static str,
    /// What it is, for people.
    pub label: &'static str,
    /// The subject in the case [`BARE`] that its figures are over.
    pub baseline: Option<&'static str>,
    /// The subject in the same case that is its original in C.
    pub original: Option<&'static str>,
}

/// All subjects, in the order in which they are shown.
pub const SUBJECTS: &[Subject] = &[
    bare("hooks", "bench_tracee", "no hook, loop of bench_tracee"),
    bare("hooks", "ftrace-ops", "no hook, loop of ftrace-ops.c"),
    hook("c-ops", "C hook", "ftrace-ops", "c-ops"),
    hook("rust-ops", "Rust hook", "bench_tracee", "c-ops"),
    hook(
        "c-ops-assist",
        "C hook, protected",
        "ftrace-ops",
        "c-ops-assist",
    ),
    hook(
        "rust-ops-assist",
        "Rust hook, protected",
        "bench_tracee",
        "c-ops-assist",
    ),
    bare("qdisc", "noqueue", "noqueue"),
    qdisc("pfifo", "pfifo (C)", None),
    qdisc("codel", "codel (C)", Some("codel")),
    qdisc("rcodel", "rcodel (Rust)", Some("codel")),
];

const fn bare(suite: &'static str, name: &'static str, label: &'static str) -> Subject {
    Subject {
        suite,
        name,
        label,
        baseline: None,
        original: None,
    }
}

const fn hook(
    name: &'static str,
    label: &'static str,
    baseline: &'static str,
    original: &'static str,
) -> Subject {
    Subject {
        suite: "hooks",
        name,
        label,
        baseline: Some(baseline),
        original: Some(original),
    }
}

const fn qdisc(name: &'static str, label: &'static str, original: Option<&'static str>) -> Subject {
    Subject {
        suite: "qdisc",
        name,
        label,
        baseline: Some("noqueue"),
        original,
    }
}

/// Looks a subject up.
///
/// # Errors
/// When there is none of this name.
pub fn find(suite: &str, name: &str) -> Result<&'static Subject> {
    SUBJECTS
        .iter()
        .find(|subject| subject.suite == suite && subject.name == name)
        .with_context(|| format!("the guest measured {suite} {name}, which is not known here"))
}

/// A suite, for people.
#[derive(Debug)]
pub struct Suite {
    /// The name, as in records.
    pub name: &'static str,
    /// The heading of its part of the report.
    pub title: &'static str,
    /// What is counted, over what.
    pub axis: &'static str,
    /// How it is measured.
    pub text: &'static str,
    /// Its cases but [`BARE`], each with what it is, for people.
    pub cases: &'static [(&'static str, &'static str)],
}

/// All suites, in the order in which they run.
pub const SUITES: &[Suite] = &[
    Suite {
        name: "hooks",
        title: "Hooks that do nothing",
        axis: "instructions per call, over the bare call",
        text: "The C hooks are those of the kernel's samples/ftrace/ftrace-ops.c. A protected \
               hook has ftrace keep it from recursion and from where RCU is not watching \
               (FTRACE_OPS_FL_RECURSION and FTRACE_OPS_FL_RCU). Several hooks on one function \
               go through ftrace's list function, which looks for recursion in any case.",
        cases: &[
            ("hook-1", "One hook on the function: its own trampoline"),
            (
                "hook-2",
                "Two hooks on the function: ftrace's list function",
            ),
            (
                "hook-10",
                "Ten hooks on the function: ftrace's list function",
            ),
        ],
    },
    Suite {
        name: "qdisc",
        title: "Queueing disciplines, no packet dropped",
        axis: "instructions per packet, over noqueue",
        text: "pktgen, xmit_mode queue_xmit, packets of 60 bytes, a dummy device.",
        cases: &[
            (
                "root",
                "As the device's root: empty, so the kernel sends past it",
            ),
            (
                "under-prio",
                "Under prio: each packet is enqueued and dequeued (prio itself included)",
            ),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_subjects_refer_to_exists() {
        for subject in SUBJECTS {
            assert!(SUITES.iter().any(|suite| suite.name == subject.suite));
            for name in [subject.baseline, subject.original].into_iter().flatten() {
                find(subject.suite, name).unwrap();
            }
        }
    }

    #[test]
    fn an_unknown_subject_is_named() {
        let error = find("hooks", "codel").unwrap_err().to_string();
        assert!(error.contains("hooks codel"), "{error}");
    }
}
