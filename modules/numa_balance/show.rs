// SPDX-License-Identifier: GPL-2.0

//! Implements the text of `numa_balance`'s files.

use crate::state::{Shown, State};
use kernel::fmt;
use tackle_core::numa::policy::{Action, Reason};

/// Writes the file `decisions`: the decisions that changed something, the oldest first.
pub(crate) fn decisions(state: &State, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut planning = state.planning.lock();
    planning.take_fresh(state);
    for shown in planning.oldest_first() {
        line(shown, f)?;
    }
    Ok(())
}

/// Writes the file `plan`: the last decision about each task.
pub(crate) fn plan(state: &State, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let planning = state.planning.lock();
    planning.shown.iter().try_for_each(|shown| line(shown, f))
}

fn line(shown: &Shown, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Shown { at_ms, id, .. } = shown;
    write!(f, "ms={at_ms} pid={} tgid={} comm=", id.pid, id.tgid)?;
    id.write_name(f)?;
    write!(f, " node={}", shown.node)?;
    if let Some(node) = shown.preferred {
        write!(f, " preferred={node}")?;
    }
    let action = match shown.action {
        Action::Prefer(_) => "prefer",
        Action::Move(_) => "move",
        Action::Swap(_) => "swap",
        Action::Spread(_) => "spread",
        Action::Stay => "stay",
    };
    write!(f, " action={action}")?;
    if let Some(node) = shown.target {
        write!(f, " target={node}")?;
    }
    if let Some(pid) = shown.partner {
        write!(f, " with={pid}")?;
    }
    match shown.reason {
        Some(reason) => {
            let name = Reason::NAMES.get(reason.index()).copied().unwrap_or("-");
            write!(f, " reason={name} why=")?;
            f.write_fmt(format_args!("{reason}\n"))
        }
        None => f.write_str(" reason=swap why=makes room for the other task\n"),
    }
}

/// Writes the file `reasons`: the number of decisions with each reason.
pub(crate) fn reasons(state: &State, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let names = Reason::NAMES.iter().zip(state.counters.reasons.iter());
    names
        .into_iter()
        .try_for_each(|(name, counter)| writeln!(f, "{name} {}", counter.sum()))
}

/// Writes the file `status`.
pub(crate) fn status(state: &State, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (settings, counters) = (&state.settings, &state.counters);
    let mode = if settings.advises { "advise" } else { "apply" };
    writeln!(f, "mode {mode}")?;
    let (tasks, left_out) = {
        let planning = state.planning.lock();
        (planning.machine.tasks.len(), planning.machine.left_out)
    };
    writeln!(f, "tasks {tasks}")?;
    writeln!(f, "left_out {left_out}")?;
    writeln!(f, "plans {}", counters.plans.sum())?;
    writeln!(f, "preferred {}", counters.preferred.sum())?;
    writeln!(f, "moved {}", counters.moved.sum())?;
    writeln!(f, "windows {}", counters.windows.sum())?;
    let lost = state.plan.lock().lost;
    writeln!(f, "decisions_lost {lost}")?;
    writeln!(f, "sped_up {}", counters.sped_up.sum())?;
    writeln!(f, "pages_allowed {}", counters.allowed.sum())?;
    writeln!(f, "pages_denied {}", counters.denied.sum())
}
