// SPDX-License-Identifier: GPL-2.0

//! Implements the policy: the callbacks by which balancing asks for decisions.

use crate::{
    machine::{allowed, faults},
    plan::{find, Plan},
    state::{now_ms, Shown, State},
};
use kernel::sync::{atomic::Relaxed, Arc};
use tackle::numa::{self, Choice, Page, Policy, Task, Verdict};
use tackle_core::numa::policy::{
    self, Action, Node, Scan, ScanDecision, Snapshot, Topology, LOAD_ONE, NEVER,
};

/// The policy that the module registers.
pub(crate) struct Answers(pub(crate) Arc<State>);

impl Answers {
    /// Decides about the scans of `task`. `period` is the current scan period in ms.
    fn scan(&self, task: Task<'_>, period: u32) -> ScanDecision {
        let settings = &self.0.settings;
        let mut scan = Scan {
            runtime_ms: u32::try_from(task.runtime_ms()).unwrap_or(u32::MAX),
            period_ms: period,
            // The administrator can have set a shorter minimum for the kernel's own rules.
            min_ms: settings.scan_min_ms.min(period),
            ..Scan::default()
        };
        let window = task.locality();
        (scan.local, scan.remote, scan.failed) = (window.local, window.remote, window.failed);
        // Between two windows the counts of the last window are cleared, so the averages are used.
        let is_cleared = window.local + window.remote == 0;
        let here = task.node();
        for node in 0..numa::nodes() {
            let [private, shared] = [true, false].map(|private| {
                let average = task.average(node, private);
                average.saturating_add(task.in_window(node, private))
            });
            scan.private = scan.private.saturating_add(private);
            scan.shared = scan.shared.saturating_add(shared);
            if is_cleared {
                let pages = if node == here {
                    &mut scan.local
                } else {
                    &mut scan.remote
                };
                *pages = pages.saturating_add(private).saturating_add(shared);
            }
        }
        policy::scan_period(&settings.params, &scan)
    }
}

impl Policy for Answers {
    fn enabled(&self, task: Task<'_>) -> bool {
        self.scan(task, task.scan_period()) != ScanDecision::Skip
    }

    fn sees_bound(&self, _task: Task<'_>) -> bool {
        self.0.settings.sees_bound
    }

    fn scan_period(&self, task: Task<'_>, period: u32) -> u32 {
        match self.scan(task, period) {
            ScanDecision::Period(faster) if faster < period => {
                self.0.counters.sped_up.increment();
                faster
            }
            _ => period,
        }
    }

    fn preferred_node(&self, choice: &Choice<'_>) -> Option<usize> {
        self.0.counters.windows.increment();
        let mut plan = self.0.plan.lock();
        let wanted = window(&self.0, &mut plan, choice);
        drop(plan);
        wanted.or(choice.kernel())
    }

    #[inline]
    fn migrate(&self, page: &Page<'_>) -> Verdict {
        let Some(target) = page.target() else {
            return Verdict::Defer;
        };
        let home = page.task().preferred_node();
        let full = self.0.full.get(target);
        let asked = policy::Page {
            target,
            home,
            // `is_private()` reads the folio, so it is called only if the result matters.
            is_private: home == Some(target) && page.is_private(),
            is_target_full: full.is_some_and(|full| full.load(Relaxed)),
        };
        match policy::page(&asked) {
            policy::Verdict::Defer => Verdict::Defer,
            policy::Verdict::Allow => {
                self.0.counters.allowed.increment();
                Verdict::Allow
            }
            policy::Verdict::Deny => {
                self.0.counters.denied.increment();
                Verdict::Deny
            }
        }
    }
}

/// Returns the node that the task should prefer, by the last plan and the task's faults; [`None`]
/// if the kernel should choose. Records the decision for the file `decisions` if it changes the
/// preferred node and does not come from the plan.
fn window(state: &State, plan: &mut Plan, choice: &Choice<'_>) -> Option<usize> {
    let (task, now_ms) = (choice.task(), now_ms());
    let entry = find(&plan.entries, task.address(), task.pid());
    let Plan {
        nodes,
        resident,
        distances,
        faults: row,
        ..
    } = plan;
    for (node, count) in row.iter_mut().enumerate() {
        *count = faults(|private| choice.faults(node, private));
    }
    let asked = policy::Task {
        id: u64::try_from(task.pid()).unwrap_or(0),
        group: u32::try_from(choice.group()).unwrap_or(0),
        node: task.node(),
        preferred: task.preferred_node(),
        allowed: allowed(task, nodes.len()),
        runtime_ms: u32::try_from(task.runtime_ms()).unwrap_or(u32::MAX),
        load: LOAD_ONE,
        size_pages: 0,
        moved_ms_ago: entry.map_or(NEVER, |entry| entry.moved_ms_ago(now_ms)),
    };
    let topology = Topology::new(nodes.len(), distances, |node| {
        nodes.get(node).is_some_and(Node::has_cpus)
    });
    let start = entry.map_or(resident.len(), |entry| entry.row * nodes.len());
    let snapshot = Snapshot {
        topology,
        nodes,
        tasks: &[asked],
        faults: row,
        resident: resident.get(start..).unwrap_or(&[]),
        params: state.settings.params,
    };
    let planned = entry.and_then(|entry| entry.planned);
    let policy::Preference { node, reason } = policy::window(&snapshot, planned)?;
    if reason.is_some() && asked.preferred != Some(node) {
        plan.keep(Shown {
            at_ms: now_ms,
            task: task.address(),
            id: task.id(),
            node: asked.node,
            preferred: asked.preferred,
            action: Action::Prefer(node),
            target: Some(node),
            partner: None,
            reason,
        });
    }
    Some(node)
}
