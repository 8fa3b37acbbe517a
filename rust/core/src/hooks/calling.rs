// SPDX-License-Identifier: GPL-2.0

//! Which functions a trampoline can call: those whose arguments are all in registers, and which
//! return.
//!
//! Source: System V ABI for x86-64, section 3.2.3; `kernel/bpf/verifier.c` of the kernel
//! (`noreturn_deny`).

/// How many registers there are for arguments.
const REGISTERS: usize = 6;
/// The size of a register in bytes.
const REGISTER: usize = 8;
/// A structure that is longer is passed on the stack, and returned where the caller says in an
/// argument of its own.
const MAX_IN_REGISTERS: usize = 16;

/// Returns whether a function gets all of its arguments in registers. `arguments` are their
/// sizes, and `returned` that of what it returns, in bytes.
///
/// A structure of up to 16 bytes is passed in registers, unless it has a member that is not at its
/// natural alignment. The caller gives such a structure a size above 16.
pub fn is_in_registers(arguments: impl IntoIterator<Item = usize>, returned: usize) -> bool {
    let mut free = REGISTERS - usize::from(returned > MAX_IN_REGISTERS);
    arguments.into_iter().all(|size| {
        let wanted = size.div_ceil(REGISTER);
        let fits = size <= MAX_IN_REGISTERS && wanted <= free;
        if fits {
            free -= wanted;
        }
        fits
    })
}

/// Functions that do not return, at least sometimes when the task goes on: they end the task or the
/// CPU, or leave several functions at once.
const NORETURN: [&str; 23] = [
    "__ia32_sys_exit",
    "__ia32_sys_exit_group",
    "__kunit_abort",
    "__module_put_and_kthread_exit",
    "__x64_sys_exit",
    "__x64_sys_exit_group",
    "acpi_idle_play_dead",
    "arch_cpu_idle_dead",
    "bpf_throw",
    "cpu_startup_entry",
    "cpuidle_play_dead",
    "do_exit",
    "do_group_exit",
    "do_idle",
    "do_task_dead",
    "hlt_play_dead",
    "kthread_complete_and_exit",
    "kthread_exit",
    "kunit_try_catch_throw",
    "make_task_dead",
    "mwait_play_dead",
    "native_play_dead",
    "rewind_stack_and_make_dead",
];

/// Returns whether the kernel function `name` returns to its caller. Some functions return
/// unless they end the task, as `get_signal()`; these count as functions that return.
pub fn returns(name: &str) -> bool {
    NORETURN.binary_search(&name).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_registers() {
        assert!(is_in_registers([], 0));
        assert!(is_in_registers([8, 4, 1, 8, 8, 8], 8));
        assert!(!is_in_registers([8; 7], 8));
    }

    #[test]
    fn structures() {
        assert!(is_in_registers([16, 16, 16], 16));
        assert!(!is_in_registers([8, 16, 16, 16], 0));
        assert!(!is_in_registers([17], 0));
        assert!(is_in_registers([0, 8, 8, 8, 8, 8, 8], 0));
    }

    #[test]
    fn a_long_return_value_takes_a_register() {
        assert!(is_in_registers([8; 5], 24));
        assert!(!is_in_registers([8; 6], 24));
    }

    #[test]
    fn functions_that_end_the_task() {
        assert!(NORETURN.is_sorted());
        assert!(!returns("do_exit") && !returns("kthread_exit"));
        assert!(returns("vfs_read") && returns("get_signal"));
    }
}
