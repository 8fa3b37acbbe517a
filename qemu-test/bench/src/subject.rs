// SPDX-License-Identifier: GPL-2.0

//! Lists what is measured: the subjects of each suite, their baselines, and the C originals that
//! they are compared with.

mod links;
mod numa_sim;
mod placement;

use anyhow::{Context, Result};

/// The case with the baselines of other cases.
pub const BARE: &str = "bare";

/// The language of a subject, which determines its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// C.
    C,
    /// BPF, compiled from C.
    Bpf,
    /// Rust.
    Rust,
    /// No code runs.
    Nobody,
    /// No code: it was done by hand.
    Hand,
}

/// The means of measuring a suite. Each has a [`Source`](crate::source::Source).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// In a guest whose clock counts instructions.
    Guest,
    /// In a guest whose clock counts instructions, with a second NUMA node without CPUs.
    GuestNodes,
    /// In a guest whose clock counts instructions, in turn.
    GuestTurns,
    /// In guests with several NUMA nodes whose memory accesses are counted, in turn.
    Placement,
    /// As a program on the host, in real time.
    Host,
    /// In a guest of User Mode Linux, in real time.
    Uml,
    /// In a guest of User Mode Linux in which only waiting takes time.
    TimeTravel,
    /// Not measured, but simulated on the host.
    Simulation,
}

/// A subject: something that is measured in one or more cases of a suite.
#[derive(Debug, PartialEq, Eq)]
pub struct Subject {
    /// The suite.
    pub suite: &'static str,
    /// The name, as in records.
    pub name: &'static str,
    /// The description.
    pub label: &'static str,
    /// The language.
    pub language: Language,
    /// The subject in the case [`BARE`] that is the baseline of its figures.
    pub baseline: Option<&'static str>,
    /// The subject in the same case that is its original in C.
    pub original: Option<&'static str>,
}

/// All subjects, in the order in which they are shown.
pub const SUBJECTS: &[Subject] = &[
    C.of("hooks", "bench_tracee", "no hook, loop of bench_tracee"),
    C.of("hooks", "ftrace-ops", "no hook, loop of ftrace-ops.c"),
    C.hook("c-ops", "C hook", "ftrace-ops").beside("c-ops"),
    RUST.hook("rust-ops", "Rust hook", "bench_tracee")
        .beside("c-ops"),
    C.hook("c-ops-assist", "C hook, protected", "ftrace-ops")
        .beside("c-ops-assist"),
    RUST.hook("rust-direct", "Rust direct hook", "bench_tracee")
        .beside("c-ops"),
    RUST.hook("rust-exit", "Rust exit hook", "bench_tracee")
        .beside("fprobe"),
    RUST.hook("rust-skip", "Rust hook that skips", "bench_tracee")
        .beside("c-redirect"),
    RUST.hook("rust-redirect", "Rust redirection", "bench_tracee")
        .beside("c-redirect"),
    C.hook("c-redirect", "C redirection", "bench_tracee")
        .beside("c-redirect"),
    C.hook("fprobe", "C fprobe", "bench_tracee")
        .beside("fprobe"),
    C.hook("kretprobe", "C kretprobe", "bench_tracee"),
    C.hook("kprobe", "C kprobe, by ftrace", "bench_tracee"),
    C.hook("kprobe-optimized", "C kprobe, by a jump", "bench_tracee"),
    C.hook("kprobe-int3", "C kprobe, by int3", "bench_tracee"),
    BPF.hook("bpf-fentry", "BPF fentry program", "bench_tracee"),
    BPF.hook("bpf-fexit", "BPF fexit program", "bench_tracee"),
    BPF.hook("bpf-kprobe", "BPF kprobe program", "bench_tracee"),
    C.of("qdisc", "noqueue", "noqueue"),
    C.qdisc("pfifo", "pfifo (C)"),
    C.qdisc("codel", "codel (C)").beside("codel"),
    RUST.qdisc("rcodel", "rcodel (Rust)").beside("codel"),
    C.qdisc("fq_codel", "fq_codel (C)").beside("fq_codel"),
    RUST.qdisc("rfq_codel", "rfq_codel (Rust)")
        .beside("fq_codel"),
    BPF.qdisc("bpf_fq", "bpf_fq (BPF)"),
    C.of("livepatch", "c-livepatch", "C live patch")
        .beside("c-livepatch"),
    RUST.of("livepatch", "rust-livepatch", "Rust live patch")
        .beside("c-livepatch"),
    C.of("numa", "bare", "nothing observed"),
    RUST.numa("loaded", "library loaded"),
    C.numa("c-fault", "fault, in C").beside("c-fault"),
    RUST.numa("fault", "fault, in Rust").beside("c-fault"),
    RUST.numa("hint", "hint"),
    RUST.numa("counted", "counted"),
    RUST.numa("migration", "migration"),
    RUST.numa("window", "window"),
    RUST.numa("scan", "scan"),
    RUST.numa("skip", "skip"),
    RUST.numa("placement", "placement"),
    RUST.numa("exit", "exit"),
    RUST.numa("wakeup", "wakeup"),
    RUST.numa("numa_stat-private-0", "numa_stat private=0"),
    RUST.numa("numa_stat", "numa_stat"),
    RUST.numa("numa_stat-wakeups-1", "numa_stat wakeups=1"),
    NOBODY.of("numa-placement", "none", "no balancing"),
    C.of("numa-placement", "kernel", "the kernel's"),
    RUST.of("numa-placement", "ours", "numa_balance"),
    HAND.of("numa-placement", "pinned", "placed by hand"),
    RUST.of("fault", "rust-point", "a point of an attribute, in Rust")
        .over("rust-point"),
    C.of("fault", "c-point", "a point of an attribute, in C")
        .over("c-point"),
    C.of("fault", "kmalloc", "kmalloc() and kfree(), no hook"),
    RUST.of("fault", "hooked", "hooked, not armed")
        .over("kmalloc"),
    RUST.of("fault", "other-module", "armed for another module")
        .over("kmalloc"),
    RUST.of("fault", "other-tree", "armed for another process")
        .over("kmalloc"),
    RUST.of("fault", "this-module", "armed for this module")
        .over("kmalloc"),
    C.of("qdisc-time", "noqueue", "noqueue"),
    C.of("qdisc-time", "pfifo", "pfifo (C)"),
    C.of("qdisc-time", "codel", "codel (C)").beside("codel"),
    RUST.of("qdisc-time", "rcodel", "rcodel (Rust)")
        .beside("codel"),
    C.of("qdisc-time", "fq_codel", "fq_codel (C)")
        .beside("fq_codel"),
    RUST.of("qdisc-time", "rfq_codel", "rfq_codel (Rust)")
        .beside("fq_codel"),
    C.of("links", "pfifo", "pfifo (C)"),
    C.of("links", "codel", "codel (C)").beside("codel"),
    RUST.of("links", "rcodel", "rcodel (Rust)").beside("codel"),
    C.of("links", "fq_codel", "fq_codel (C)").beside("fq_codel"),
    RUST.of("links", "rfq_codel", "rfq_codel (Rust)")
        .beside("fq_codel"),
    C.of("core", "c", "C, codel_impl.h").beside("c"),
    RUST.of("core", "rust", "Rust").beside("c"),
    C.of("numa-sim", "none", "no balancing"),
    C.of("numa-sim", "kernel", "the kernel's rules"),
    RUST.of("numa-sim", "ours", "our policy"),
    C.of("numa-sim", "bound", "bound"),
];

const C: Language = Language::C;
const BPF: Language = Language::Bpf;
const RUST: Language = Language::Rust;
const NOBODY: Language = Language::Nobody;
const HAND: Language = Language::Hand;

impl Language {
    const fn of(self, suite: &'static str, name: &'static str, label: &'static str) -> Subject {
        Subject {
            suite,
            name,
            label,
            language: self,
            baseline: None,
            original: None,
        }
    }

    const fn hook(
        self,
        name: &'static str,
        label: &'static str,
        baseline: &'static str,
    ) -> Subject {
        Subject {
            baseline: Some(baseline),
            ..self.of("hooks", name, label)
        }
    }

    const fn qdisc(self, name: &'static str, label: &'static str) -> Subject {
        Subject {
            baseline: Some("noqueue"),
            ..self.of("qdisc", name, label)
        }
    }

    const fn numa(self, name: &'static str, label: &'static str) -> Subject {
        Subject {
            baseline: Some("bare"),
            ..self.of("numa", name, label)
        }
    }
}

impl Subject {
    const fn over(self, baseline: &'static str) -> Self {
        Self {
            baseline: Some(baseline),
            ..self
        }
    }

    const fn beside(self, original: &'static str) -> Self {
        Self {
            original: Some(original),
            ..self
        }
    }
}

/// Looks up a subject.
///
/// # Errors
/// Fails when there is no subject with this name.
pub fn find(suite: &str, name: &str) -> Result<&'static Subject> {
    SUBJECTS
        .iter()
        .find(|subject| subject.suite == suite && subject.name == name)
        .with_context(|| format!("{suite} {name} was measured, which is not known here"))
}

/// A suite, and its description in the report.
#[derive(Debug)]
pub struct Suite {
    /// The name, as in records.
    pub name: &'static str,
    /// The means of measuring.
    pub means: Means,
    /// The heading of its part of the report.
    pub title: &'static str,
    /// The label of the axis: what is counted, and for what.
    pub axis: &'static str,
    /// The metrics that are shown, each with a suffix for the title of a case.
    pub metrics: &'static [(&'static str, &'static str)],
    /// What a reader has to know about the subjects.
    pub text: &'static str,
    /// Whether figures are also shown as a percentage of their baseline.
    pub with_percent: bool,
    /// Whether the suite runs only if it is named.
    pub by_name_only: bool,
    /// The cases that are shown, each with a description.
    pub cases: &'static [(&'static str, &'static str)],
}

/// Looks up a suite.
///
/// # Errors
/// Fails when there is no suite with this name. The message lists the suites.
pub fn suite(name: &str) -> Result<&'static Suite> {
    let found = SUITES.iter().find(|suite| suite.name == name);
    found.with_context(|| {
        let all: Vec<_> = SUITES.iter().map(|suite| suite.name).collect();
        format!("no suite {name:?}; there are {}", all.join(", "))
    })
}

/// All suites, in the order in which they run.
pub const SUITES: &[Suite] = &[
    Suite {
        name: "hooks",
        means: Means::Guest,
        title: "Hooks that do nothing",
        axis: "instructions per call, over the bare call",
        metrics: &[("insn_per_call", "")],
        text: "The C hooks are those of the kernel's samples/ftrace/ftrace-ops.c. A protected \
               hook has ftrace keep it from recursion and from where RCU is not watching \
               (FTRACE_OPS_FL_RECURSION and FTRACE_OPS_FL_RCU). The Rust hooks are always \
               protected from recursion. Several C hooks on one function go through ftrace's \
               list function; Rust hooks share an ops. A kprobe gets there by ftrace at a \
               function's entry, elsewhere by a jump (optimized) or a breakpoint (int3).",
        with_percent: false,
        by_name_only: false,
        cases: &[
            ("nop", "One on the function"),
            ("shared-2", "Two on the function"),
            ("shared-4", "Four on the function"),
            ("shared-10", "Ten on the function"),
            (
                "irrelevant-1",
                "One on the function, and one on another function",
            ),
            (
                "irrelevant-100",
                "One on the function, and 100 on as many others",
            ),
            (
                "irrelevant-1000",
                "One on the function, and 1,000 on as many others",
            ),
            ("entry-exit", "One at the function's entry and its exit"),
            ("entry-exit-10", "Ten at the function's entry and its exit"),
            (
                "redirect",
                "One that has the function return at once, or go on in another one",
            ),
        ],
    },
    Suite {
        name: "qdisc",
        means: Means::Guest,
        title: "Queueing disciplines",
        axis: "instructions per packet, over noqueue",
        metrics: &[("insn_per_packet", "")],
        text: "pktgen, xmit_mode queue_xmit, packets of 60 bytes, a dummy device. No packet is \
               dropped but where it says so.",
        with_percent: false,
        by_name_only: false,
        cases: &[
            (
                "root",
                "As the device's root: empty, so the kernel sends past it",
            ),
            (
                "under-prio",
                "Under prio: each packet is enqueued and dequeued (prio itself included)",
            ),
            (
                "drop-heavy",
                "Under tbf: about half of the packets dropped by CoDel (tbf itself included)",
            ),
            ("flows-1", "Under prio, one flow"),
            ("flows-64", "Under prio, 64 flows"),
            ("flows-1024", "Under prio, 1,024 flows"),
            ("flows-100000", "Under prio, 100,000 flows"),
        ],
    },
    Suite {
        name: "livepatch",
        means: Means::GuestTurns,
        title: "Live patches under load",
        axis: "instructions of the whole guest",
        metrics: &[
            ("insn_to_enable", ": to enable the patch"),
            ("insn_to_patch", ": klp_enable_patch() alone"),
            ("insn_to_disable", ": to disable the patch"),
        ],
        text: "Two processes of the lowest priority make system calls. Patches of functions of a module \
               that do nothing, in C and in Rust. insn_to_enable is from loading the patch to the \
               end of its transition, insn_to_disable from writing to its file enabled to the end \
               of the transition back, insn_to_patch klp_enable_patch() alone.",
        with_percent: false,
        by_name_only: false,
            cases: &[
            ("patch-1", "One function"),
            ("patch-100", "A hundred functions"),
        ],
    },
    Suite {
        name: "numa",
        means: Means::GuestNodes,
        title: "Observers of NUMA balancing that do nothing, and numa_stat",
        axis: "instructions per fault, scan or wake-up, over that of nothing observed",
        metrics: &[
            ("insn_per_fault", ""),
            ("insn_per_scan", ""),
            ("insn_per_wakeup", ""),
        ],
        text: "A process reads memory that was made to fault, a page at a time. Each observer is \
               one of a single event. The events window, scan, skip, placement and exit do not \
               happen in these faults. A scan goes over all VMAs of the process and skips each. \
               Two threads on one CPU wake each other by pipes. numa_stat observes all events but \
               wakeup; with private=0 it has fault instead of counted. Percentages are of the \
               whole fault, scan or wake-up with nothing observed.",
        with_percent: true,
        by_name_only: false,
        cases: &[
            ("local", "Memory on the node of the CPU"),
            ("migrate", "Memory on the other node: the fault migrates the page"),
            ("scan", "A scan of the process that skips all VMAs"),
            ("wakeup", "A wake-up on one node, with a switch to the other thread"),
        ],
    },
    placement::SUITE,
    Suite {
        name: "fault",
        means: Means::Guest,
        title: "Fault injection",
        axis: "instructions per call, over the same without it",
        metrics: &[("insn_per_call", "")],
        text: "A point of an attribute is over an empty loop. An allocation is kmalloc() and \
               kfree() of 40 bytes by a module; the injector hooks kmalloc() and the other \
               functions that it hooks by default. Armed for another module, it reads the stack \
               and finds that the module is not on it. Armed for this module, it reads the stack \
               and records the point; no call fails.",
        with_percent: false,
        by_name_only: false,
        cases: &[
            ("point", "A point of an attribute that is not armed"),
            ("alloc", "An allocation"),
        ],
    },
    Suite {
        name: "qdisc-time",
        means: Means::Uml,
        title: "Queueing disciplines, no packet dropped, in real time",
        axis: "nanoseconds per packet, all in all",
        metrics: &[("ns_per_packet", "")],
        text: "As above, under User Mode Linux: a kernel that is a process of the host. Its C \
               code is compiled with -mcmodel=large, which costs an instruction more for each \
               call and each static; Rust code is not.",
        with_percent: false,
        by_name_only: false,
        cases: &[
            ("bare", "No queue at all"),
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
    links::NEAR,
    links::ALL,
    Suite {
        name: "core",
        means: Means::Host,
        title: "The decisions of rust/core, in real time",
        axis: "nanoseconds per call",
        metrics: &[("ns_per_call", "")],
        text: "On the host, compiled by cargo for user space. CoDel is held against the \
               kernel's codel_impl.h; the others have no C original that compiles there.",
        with_percent: false,
        by_name_only: false,
        cases: &[
            ("codel-no-drop", "CoDel: a packet that did not wait long"),
            (
                "codel-dropping",
                "CoDel: in the dropping state, one packet dropped and the next delivered",
            ),
            ("fault-off", "Fault attribute: switched off"),
            ("fault-failing", "Fault attribute: fails each time"),
            (
                "numa-record",
                "NUMA rows: a fault of a task that has its row",
            ),
            (
                "numa-wakeup",
                "NUMA wake-ups: a pair of tasks that has its row",
            ),
        ],
    },
    numa_sim::SUITE,
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
        let error = suite("nets").unwrap_err().to_string();
        assert_eq!(
            error,
            "no suite \"nets\"; there are hooks, qdisc, livepatch, numa, numa-placement, fault, qdisc-time, links, links-all, core, numa-sim"
        );
    }
}
