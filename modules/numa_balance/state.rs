// SPDX-License-Identifier: GPL-2.0

//! Implements the module's state, and the steps of the planning thread.

use crate::{
    machine::Machine,
    plan::{find, Entry, Plan, FRESH_LEN},
};
use kernel::{
    new_mutex, new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Mutex, SpinLockIrq,
    },
};
use tackle::{numa, percpu::Counter, task, time};
use tackle_core::{
    numa::{
        policy::{self, Action, Decision, Params, Reason},
        TaskId,
    },
    sort::heap_sort,
};

/// The maximum number of decisions in the file `decisions`.
const LOG_LEN: usize = 256;

/// The module's parameters.
pub(crate) struct Settings {
    pub(crate) params: Params,
    pub(crate) advises: bool,
    pub(crate) interval_ms: u32,
    pub(crate) scan_min_ms: u32,
    pub(crate) sees_bound: bool,
    pub(crate) sees_hugetlb: bool,
    pub(crate) max_tasks: usize,
}

/// A decision in the form that the files show.
#[derive(Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) at_ms: u64,
    pub(crate) task: usize,
    pub(crate) id: TaskId,
    /// The node on which the task runs.
    pub(crate) node: usize,
    pub(crate) preferred: Option<usize>,
    pub(crate) action: Action,
    /// The node on which it should run; [`None`] if the decision does not move it.
    pub(crate) target: Option<usize>,
    /// For a swap: the ID of the other task.
    pub(crate) partner: Option<i32>,
    /// [`None`] for the other task of a swap.
    pub(crate) reason: Option<Reason>,
}

/// The state of the planning thread.
pub(crate) struct Planning {
    pub(crate) machine: Machine,
    /// The entries of the last plan, by the address of the task.
    last: KVVec<Entry>,
    /// The entries of the plan that is being made.
    next: KVVec<Entry>,
    /// All decisions of the last plan.
    pub(crate) shown: KVVec<Shown>,
    /// The decisions that changed something, in a ring buffer.
    log: KVVec<Shown>,
    /// The index of the next decision in the ring buffer.
    log_at: usize,
    /// This vector is swapped with [`Plan::fresh`] to take its decisions, and is empty otherwise.
    fresh: KVVec<Shown>,
}

/// The counters in the files `reasons` and `status`.
pub(crate) struct Counters {
    /// The number of decisions by the index of their reason.
    pub(crate) reasons: KVec<Counter>,
    pub(crate) plans: Counter,
    pub(crate) windows: Counter,
    pub(crate) allowed: Counter,
    pub(crate) denied: Counter,
    pub(crate) sped_up: Counter,
    pub(crate) preferred: Counter,
    pub(crate) moved: Counter,
}

impl Counters {
    fn new() -> Result<Self> {
        let mut reasons = KVec::with_capacity(Reason::COUNT, GFP_KERNEL)?;
        for _ in 0..Reason::COUNT {
            reasons.push(Counter::new()?, GFP_KERNEL)?;
        }
        Ok(Self {
            reasons,
            plans: Counter::new()?,
            windows: Counter::new()?,
            allowed: Counter::new()?,
            denied: Counter::new()?,
            sped_up: Counter::new()?,
            preferred: Counter::new()?,
            moved: Counter::new()?,
        })
    }
}

/// The state that the thread, the callbacks and the files share.
#[pin_data]
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) counters: Counters,
    /// By node: whether it has few free pages.
    pub(crate) full: KVec<Atomic<bool>>,
    #[pin]
    pub(crate) planning: Mutex<Planning>,
    /// The last plan. Callbacks of balancing read it for a task whose scan window ends.
    #[pin]
    pub(crate) plan: SpinLockIrq<Plan>,
}

impl State {
    pub(crate) fn new(settings: Settings) -> Result<impl PinInit<Self, Error>> {
        let (nodes, max_tasks) = (numa::nodes(), settings.max_tasks);
        let machine = Machine::new(max_tasks)?;
        let mut plan = Plan::new(nodes, max_tasks)?;
        plan.distances.copy_from_slice(&machine.distances);
        let mut full = KVec::with_capacity(nodes, GFP_KERNEL)?;
        for _ in 0..nodes {
            full.push(Atomic::new(false), GFP_KERNEL)?;
        }
        let planning = Planning {
            machine,
            last: KVVec::with_capacity(max_tasks, GFP_KERNEL)?,
            next: KVVec::with_capacity(max_tasks, GFP_KERNEL)?,
            shown: KVVec::with_capacity(max_tasks, GFP_KERNEL)?,
            log: KVVec::with_capacity(LOG_LEN, GFP_KERNEL)?,
            log_at: 0,
            fresh: KVVec::with_capacity(FRESH_LEN, GFP_KERNEL)?,
        };
        let counters = Counters::new()?;
        Ok(try_pin_init!(Self {
            settings,
            counters,
            full,
            planning <- new_mutex!(planning),
            plan <- new_spinlock_irq!(plan),
        }))
    }

    /// Makes a plan and applies it. Returns the time until the next plan, in ms.
    pub(crate) fn step(&self) -> u32 {
        let mut planning = self.planning.lock();
        planning.take_fresh(self);
        let now_ms = now_ms();
        planning.read(self, now_ms);
        planning.decide(self, now_ms);
        planning.publish(self);
        planning.apply(self);
        self.counters.plans.increment();
        self.settings.interval_ms
    }
}

/// Returns the time of the monotonic clock in ms; never 0.
pub(crate) fn now_ms() -> u64 {
    (time::mono_fast_ns() / 1_000_000).max(1)
}

impl Planning {
    fn read(&mut self, state: &State, now_ms: u64) {
        self.machine.read(&state.settings, &self.last, now_ms);
        let reserve = state.settings.params.reserve;
        for (full, node) in state.full.iter().zip(self.machine.nodes.iter()) {
            let is_full = policy::is_full(node.free_pages, node.total_pages, reserve);
            full.store(is_full, Relaxed);
        }
    }

    /// Makes a plan: fills `shown`, and completes the entries of the machine.
    fn decide(&mut self, state: &State, now_ms: u64) {
        let count = self.machine.decide(state.settings.params);
        self.shown.clear();
        for index in 0..count {
            let Some(&Decision {
                task,
                action,
                reason,
            }) = self.machine.decisions.get(index)
            else {
                break;
            };
            if let Some(counter) = state.counters.reasons.get(reason.index()) {
                counter.increment();
            }
            // A task can be in two swaps. The second swap begins with the nodes after the first
            // one.
            let node_of = |index: usize| {
                let entry = self.machine.entries.get(index)?;
                Some(entry.planned.unwrap_or(entry.node))
            };
            match action {
                Action::Prefer(node) | Action::Move(node) => {
                    self.note(now_ms, task, action, Some(node), None, Some(reason));
                }
                Action::Swap(other) => {
                    let (here, there) = (node_of(task), node_of(other));
                    let back = Action::Swap(task);
                    self.note(now_ms, task, action, there, Some(other), Some(reason));
                    self.note(now_ms, other, back, here, Some(task), None);
                }
                Action::Spread(_) | Action::Stay => {
                    self.note(now_ms, task, action, None, None, Some(reason));
                }
            }
        }
    }

    /// Records the decision about the task with this index.
    fn note(
        &mut self,
        at_ms: u64,
        index: usize,
        action: Action,
        target: Option<usize>,
        partner: Option<usize>,
        reason: Option<Reason>,
    ) {
        let machine = &mut self.machine;
        let (Some(task), Some(&id)) = (machine.tasks.get(index), machine.ids.get(index)) else {
            return;
        };
        let partner = partner.and_then(|index| machine.ids.get(index));
        let Some(entry) = machine.entries.get_mut(index) else {
            return;
        };
        entry.planned = target;
        let shown = Shown {
            at_ms,
            task: entry.task,
            id,
            node: task.node,
            preferred: task.preferred,
            action,
            target,
            partner: partner.map(|id| id.pid),
            reason,
        };
        // `shown` has room for all tasks.
        let _ = self.shown.push_within_capacity(shown);
        let before = find(&self.last, entry.task, id.pid);
        let is_new = before.and_then(|before| before.planned) != target;
        if is_new && target.is_some() {
            self.log(shown);
        }
    }

    /// Returns the node of the last decision about a task in the log.
    fn last_target(&self, task: usize, pid: i32) -> Option<usize> {
        let mut latest_first = self.oldest_first().rev();
        let found = latest_first.find(|shown| shown.task == task && shown.id.pid == pid);
        found.and_then(|shown| shown.target)
    }

    /// Returns the decisions in the log, the oldest first.
    pub(crate) fn oldest_first(&self) -> impl DoubleEndedIterator<Item = &Shown> {
        let (new, old) = self.log.split_at(self.log_at.min(self.log.len()));
        Iterator::chain(old.iter(), new.iter())
    }

    fn log(&mut self, shown: Shown) {
        if self.log.len() < LOG_LEN {
            let _ = self.log.push_within_capacity(shown);
        } else if let Some(oldest) = self.log.get_mut(self.log_at) {
            *oldest = shown;
        }
        self.log_at = (self.log_at + 1) % LOG_LEN;
    }

    /// Moves the decisions at the end of scan windows to the log. Leaves out repeated decisions
    /// about a task, since a controller can keep the task's preferred node against the decision
    /// for any time.
    pub(crate) fn take_fresh(&mut self, state: &State) {
        // While the lock is held, the vectors are only swapped, since callbacks wait for the lock.
        core::mem::swap(&mut state.plan.lock().fresh, &mut self.fresh);
        for index in 0..self.fresh.len() {
            let Some(&shown) = self.fresh.get(index) else {
                break;
            };
            if self.last_target(shown.task, shown.id.pid) != shown.target {
                self.log(shown);
            }
        }
        self.fresh.clear();
    }

    /// Publishes the plan for the callbacks.
    fn publish(&mut self, state: &State) {
        self.next.clear();
        self.last.clear();
        heap_sort(&mut self.machine.entries, |a, b| a.task < b.task);
        for &entry in self.machine.entries.iter() {
            // All three vectors have the same capacity.
            let _ = self.next.push_within_capacity(entry);
            let _ = self.last.push_within_capacity(entry);
        }
        let mut plan = state.plan.lock();
        // After the swap the thread owns the memory of the old plan, and uses it for the next one.
        core::mem::swap(&mut plan.entries, &mut self.next);
        core::mem::swap(&mut plan.resident, &mut self.machine.resident);
        plan.nodes.copy_from_slice(&self.machine.nodes);
    }

    /// Sets the preferred nodes that the plan changes. Moves tasks with pages of hugetlbfs that are
    /// not on their preferred node yet: they may have no hinting fault at which the kernel does it.
    fn apply(&self, state: &State) {
        if state.settings.advises {
            return;
        }
        for shown in self.shown.iter() {
            let Some(node) = shown.target else {
                continue;
            };
            let entry = find(&self.last, shown.task, shown.id.pid);
            let has_hugetlb = entry.is_some_and(|entry| entry.threads > 0);
            let is_set = shown.preferred == Some(node);
            if is_set && (!has_hugetlb || shown.node == node) {
                continue;
            }
            let found = task::find(shown.id.pid).filter(|found| task::address(found) == shown.task);
            let Some(found) = found else {
                continue;
            };
            // Both fail if the task has ended since the plan was made, or if its mask excludes the
            // node now. The task stays as it is then. A move also fails if the task sleeps or no
            // CPU is idle; the next plan tries it again.
            let (result, counter) = if is_set {
                (numa::move_to_node(&found, node), &state.counters.moved)
            } else {
                let result = numa::set_preferred_node(&found, node);
                (result, &state.counters.preferred)
            };
            if result.is_ok() {
                counter.increment();
            }
        }
    }
}
