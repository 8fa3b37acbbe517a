// SPDX-License-Identifier: GPL-2.0

//! Implements the rule "memory follows its task": whether a page moves at a hinting fault.
//!
//! The kernel's rules are in `should_numa_migrate_memory()` in `kernel/sched/fair.c`. They move a
//! private page at its second fault on a node, wherever the task happens to run.

/// A page that a task has accessed, at the hinting fault.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Page {
    /// The node of the page.
    pub source: usize,
    /// The node of the CPU, to which the page would go.
    pub target: usize,
    /// The node where the task belongs: its preferred one, by the last plan.
    pub home: Option<usize>,
    /// Whether the last fault on the page was of the same task.
    pub is_private: bool,
    /// Whether the task's group is active on the node of the page and is larger than a node.
    pub is_source_active: bool,
    /// Whether the target has few free pages ([`is_full`]).
    pub is_target_full: bool,
}

/// What is to be done with a page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Migrate it.
    Allow,
    /// Leave it.
    Deny,
    /// The kernel's rules decide.
    Defer,
}

/// Decides about a page.
///
/// - A node with few free pages gets none: reclaim would cost more than remote accesses.
/// - While a task is not where it belongs, its pages wait on the node where it belongs. The others
///   are left to the kernel.
/// - Where it belongs, its private pages come at once, at the first fault.
/// - Shared pages of a group that is larger than a node stay on active nodes, for the kernel to
///   distribute.
pub fn page(page: &Page) -> Verdict {
    if page.is_target_full {
        return Verdict::Deny;
    }
    match page.home {
        Some(home) if page.source == home && page.target != home && !page.is_source_active => {
            Verdict::Deny
        }
        Some(home) if page.target == home && page.is_private => Verdict::Allow,
        _ => Verdict::Defer,
    }
}

/// Returns whether a node has too few free pages for others to move there. `reserve` is
/// [`Params::reserve`](super::Params::reserve).
pub fn is_full(free_pages: u64, total_pages: u64, reserve: u32) -> bool {
    free_pages < total_pages / u64::from(reserve.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_HOME: Page = Page {
        source: 0,
        target: 1,
        home: Some(1),
        is_private: true,
        is_source_active: false,
        is_target_full: false,
    };

    #[test]
    fn private_pages_come_home_at_once() {
        assert_eq!(page(&AT_HOME), Verdict::Allow);
        let shared = Page {
            is_private: false,
            ..AT_HOME
        };
        assert_eq!(page(&shared), Verdict::Defer);
    }

    #[test]
    fn pages_do_not_follow_a_task_that_is_away() {
        let away = Page {
            home: Some(0),
            ..AT_HOME
        };
        assert_eq!(page(&away), Verdict::Deny);
        let elsewhere = Page {
            home: Some(2),
            ..AT_HOME
        };
        assert_eq!(page(&elsewhere), Verdict::Defer);
        let unplanned = Page {
            home: None,
            ..AT_HOME
        };
        assert_eq!(page(&unplanned), Verdict::Defer);
    }

    #[test]
    fn a_full_node_gets_nothing() {
        let full = Page {
            is_target_full: true,
            ..AT_HOME
        };
        assert_eq!(page(&full), Verdict::Deny);
        assert!(is_full(15, 1024, 64));
        assert!(!is_full(16, 1024, 64));
        assert!(!is_full(0, 0, 0));
    }
}
