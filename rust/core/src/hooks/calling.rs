// SPDX-License-Identifier: GPL-2.0

//! Decides which functions a trampoline can call: functions that get all arguments in registers,
//! and that return.
//!
//! Source: System V ABI for x86-64, section 3.2.3; `kernel/bpf/verifier.c` of the kernel
//! (`noreturn_deny`).

/// The number of registers for arguments.
const REGISTERS: usize = 6;
/// The size of a register in bytes.
const REGISTER: usize = 8;
/// The maximum size of a structure in registers. A longer one is passed on the stack. To return a
/// longer one, the caller passes its address as an extra argument.
const MAX_IN_REGISTERS: usize = 16;

/// Returns whether a function gets all of its arguments in registers. `arguments` are the sizes of
/// its arguments, and `returned` is the size of its return value, in bytes.
///
/// A structure of at most 16 bytes is passed in registers, unless a member of it is not at its
/// natural alignment. For such a structure the caller must pass a size above 16.
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

/// Functions that sometimes do not return although the task continues, or never return: they end
/// the task or the CPU, or leave several functions at once.
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

/// Returns whether the kernel function `name` returns to its caller. A function that returns
/// unless it ends the task, such as `get_signal()`, counts as one that returns.
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
