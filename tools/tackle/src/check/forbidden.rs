// SPDX-License-Identifier: GPL-2.0

//! Lists the functions that a handler must not call, since they sleep or allocate.

/// Why a handler must not call a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The function may sleep.
    Sleeps,
    /// The function allocates or frees memory.
    Allocates,
}

impl Why {
    /// Returns the reason as a verb.
    pub fn text(self) -> &'static str {
        match self {
            Self::Sleeps => "sleeps",
            Self::Allocates => "allocates",
        }
    }
}

/// The kernel's functions that sleep, or that warn where sleeping is forbidden (`might_sleep()`).
/// `*` stands for any end of a name.
const SLEEPS: &[&str] = &[
    "__cond_resched*",
    "__might_fault",
    "__might_resched",
    "__might_sleep",
    "__mutex_*",
    "__rt_mutex*",
    "_copy_from_user",
    "_copy_to_user",
    "down",
    "down_*",
    "flush_work",
    "fsleep",
    "io_schedule*",
    "kernel::sync::condvar::*",
    "kernel::sync::lock::mutex::*",
    "kernel::time::delay::fsleep",
    "kthread_stop",
    "msleep*",
    "mutex_lock*",
    "rcu_barrier*",
    "rust_helper_copy_from_user",
    "rust_helper_copy_to_user",
    "rust_helper_fsleep",
    "rust_helper_might_sleep",
    "rust_helper_mutex_lock*",
    "rust_helper_synchronize_rcu_tasks",
    "schedule",
    "schedule_timeout*",
    "synchronize_*",
    "usleep_range*",
    "wait_for_completion*",
];

/// Functions that sleep only under PREEMPT_RT, where a `spinlock_t` is a sleeping lock
/// (`include/linux/spinlock_rt.h`). In other kernels a handler may have a spin lock of its own.
const SLEEPS_UNDER_RT: &[&str] = &[
    "__local_bh_disable_ip",
    "rt_read_lock*",
    "rt_spin_lock*",
    "rt_write_lock*",
    "rust_helper_spin_lock*",
];

/// The kernel's functions that allocate or free memory. `kfree()` is allowed in most contexts, but
/// not in an NMI. Besides, memory to be freed must have been allocated.
const ALLOCATES: &[&str] = &[
    "__alloc_pages*",
    "__get_free_pages*",
    "__kmalloc*",
    "__kvmalloc*",
    "__vmalloc*",
    "alloc_pages*",
    "kernel::alloc::*",
    "kfree",
    "kmalloc*",
    "kmem_cache_*",
    "krealloc*",
    "kvfree",
    "kvmalloc*",
    "kvrealloc*",
    "pcpu_alloc*",
    "rust_helper_alloc_percpu*",
    "rust_helper_krealloc*",
    "rust_helper_kvrealloc*",
    "rust_helper_vrealloc*",
    "vfree",
    "vmalloc*",
    "vrealloc*",
];

/// Returns why a handler must not call the function `name`, if it must not. `is_rt` is true for a
/// module that is built for a kernel with PREEMPT_RT.
pub fn why(name: &str, is_rt: bool) -> Option<Why> {
    // A method's name begins with its type: `<kernel::alloc::allocator::Kmalloc as ..>::realloc`.
    let name = name.trim_start_matches('<');
    let is = |list: &[&str]| {
        list.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == *pattern,
        })
    };
    if is(SLEEPS) || is_rt && is(SLEEPS_UNDER_RT) {
        Some(Why::Sleeps)
    } else if is(ALLOCATES) {
        Some(Why::Allocates)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        for (name, expected) in [
            ("mutex_lock", Some(Why::Sleeps)),
            ("mutex_lock_nested", Some(Why::Sleeps)),
            ("mutex_unlock", None),
            ("schedule", Some(Why::Sleeps)),
            ("rust_helper___preempt_schedule_notrace", None),
            ("synchronize_rcu", Some(Why::Sleeps)),
            ("krealloc_node_align_noprof", Some(Why::Allocates)),
            (
                "<kernel::alloc::allocator::Kmalloc as kernel::alloc::Allocator>::realloc",
                Some(Why::Allocates),
            ),
            ("core::alloc::layout::Layout::new", None),
            ("down", Some(Why::Sleeps)),
            ("downgrade", None),
            ("kernel::time::delay::udelay", None),
        ] {
            assert_eq!(why(name, false), expected, "{name}");
            assert_eq!(why(name, true), expected, "{name}");
        }
    }

    #[test]
    fn spin_locks_are_slept_on_under_rt() {
        for name in ["rt_spin_lock", "rust_helper_spin_lock"] {
            assert_eq!(why(name, true), Some(Why::Sleeps), "{name}");
            assert_eq!(why(name, false), None, "{name}");
        }
        // The lock function of a raw_spinlock_t, which never sleeps.
        assert_eq!(why("_raw_spin_lock", true), None);
    }
}
