// SPDX-License-Identifier: GPL-2.0

//! Implements the rule "memory follows its task": decides whether a page moves at a hinting fault.
//!
//! The kernel's rules are in `should_numa_migrate_memory()` in `kernel/sched/fair.c`. They move a
//! private page at its second fault on a node, even if the task does not belong on that node.

/// A page at a hinting fault, which a task has accessed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Page {
    /// The node of the CPU, to which the page would move.
    pub target: usize,
    /// The node on which the task belongs: its preferred node by the last plan.
    pub home: Option<usize>,
    /// Whether the last fault on the page was caused by the same task.
    pub is_private: bool,
    /// Whether the target has few free pages ([`is_full`]).
    pub is_target_full: bool,
}

/// The decision about a page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Migrate the page.
    Allow,
    /// Do not migrate the page.
    Deny,
    /// Let the kernel's rules decide.
    Defer,
}

/// Decides about a page.
///
/// - A node with few free pages gets no pages, since reclaim would cost more than remote accesses.
/// - On the node on which a task belongs, its private pages are migrated at the first fault.
/// - The kernel decides about all other pages. In particular, pages are not held on the node to
///   which a task is planned to move: the kernel moves tasks, and may find no idle CPU there and
///   no task for a swap. Then the pages would never become local.
pub fn page(page: &Page) -> Verdict {
    if page.is_target_full {
        return Verdict::Deny;
    }
    if page.is_private && page.home == Some(page.target) {
        return Verdict::Allow;
    }
    Verdict::Defer
}

/// Returns whether a node has too few free pages for other pages to move there. `reserve` is
/// [`Params::reserve`](super::Params::reserve).
pub fn is_full(free_pages: u64, total_pages: u64, reserve: u32) -> bool {
    free_pages < total_pages / u64::from(reserve.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_HOME: Page = Page {
        target: 1,
        home: Some(1),
        is_private: true,
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
    fn the_kernel_decides_about_pages_of_a_task_that_is_elsewhere() {
        for home in [Some(0), Some(2), None] {
            assert_eq!(page(&Page { home, ..AT_HOME }), Verdict::Defer);
        }
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
