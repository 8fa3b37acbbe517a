// SPDX-License-Identifier: GPL-2.0

//! Tests messages of the kernel's source. The file is named if it is not obvious.

use super::*;

const CRASHES: &[&str] = &[
    "Kernel panic - not syncing: sysrq triggered crash",
    "Oops: Oops: 0002 [#1] SMP NOPTI",
    "Oops: general protection fault, probably for non-canonical address 0xdff: 0000 [#1] SMP",
    "Oops: int3: 0000 [#1] SMP NOPTI",
    "BUG: unable to handle page fault for address: ffffffffc0a2d000",
    "BUG: kernel NULL pointer dereference, address: 0000000000000000",
    "kernel BUG at lib/list_debug.c:29!",
    "kernel BUG at rig_bug_init+0x1c/0x20 [rig_bug] [verbose debug info unavailable]",
    "rust_kernel: panicked at rust/tackle/hook.rs:1:2:",
    "traps: PANIC: double fault, error_code: 0x0",
];

const WARNINGS: &[&str] = &[
    // kernel/panic.c, which prints the place first since Linux 6.17.
    "WARNING: net/core/dev.c:1 at f+0x1/0x2 [rig_bug], CPU#1: insmod/77",
    "WARNING: CPU: 0 PID: 1 at kernel/x.c:1 f+0x1/0x2",
    "WARNING: stack going in the wrong direction? at do_exit+0x1/0x2",
    // mm/kasan/report.c, mm/kfence/report.c, lib/ubsan.c
    "BUG: KASAN: slab-use-after-free in rig_use_after_free+0x5c/0x70 [rig_bug]",
    "BUG: KASAN: invalid-access",
    "KASAN: null-ptr-deref in range [0x0000000000000000-0x0000000000000007]",
    "BUG: KFENCE: use-after-free read in f+0x1/0x2",
    "BUG: KFENCE: memory corruption in f+0x1/0x2",
    "BUG: KCSAN: data-race in f / g",
    "UBSAN: array-index-out-of-bounds in net/sched/x.c:1:2",
    // kernel/locking/lockdep.c
    "WARNING: possible circular locking dependency detected",
    "WARNING: possible recursive locking detected",
    "WARNING: possible irq lock inversion dependency detected",
    "WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected",
    "WARNING: inconsistent lock state",
    "WARNING: bad unlock balance detected!",
    "WARNING: held lock freed!",
    "WARNING: lock held when returning to user space!",
    "WARNING: insmod/77 still has locks held!",
    "WARNING: suspicious RCU usage",
    "suspicious RCU usage",
    "[ BUG: Invalid wait context ]",
    "INFO: trying to register non-static key.",
    "DEBUG_LOCKS_WARN_ON(lock->magic != lock)",
    "BUG: key ffff888003d3c0e8 has not been registered!",
    // lockdep switches itself off with this message, and detects nothing after that.
    "BUG: MAX_LOCKDEP_CHAINS too low!",
    // kernel/sched/core.c, kernel/workqueue.c, lib/smp_processor_id.c
    "BUG: sleeping function called from invalid context at mm/slab.h:321",
    "BUG: scheduling while atomic: insmod/77/0x00000002",
    "BUG: workqueue leaked atomic, lock or RCU: kworker/0:1[9]",
    "BUG: using smp_processor_id() in preemptible [00000000] code: insmod/77",
    "BUG: spinlock bad magic on CPU#0, insmod/77",
    // mm/slub.c
    "BUG kmalloc-64 (Tainted: G    B      OE      ): Poison overwritten",
    "BUG kmalloc-1k (Not tainted): Right Redzone overwritten",
    "BUG tackle_node (Tainted: [O]=OOT_MODULE): Objects remaining on __kmem_cache_shutdown()",
    "BUG: Bad page state in process cat  pfn:1",
    "BUG: Bad rss-counter state mm:ffff888003d3c0e8 type:MM_ANONPAGES val:1 Comm:cat Pid:7",
    "refcount_t: underflow; use-after-free.",
    "list_add corruption. prev->next should be next (ffff888003d3c0e8), but was 0.",
    "list_add double add: new=ffff888003d3c0e8, prev=ffff888003d3c0e8, next=0.",
    "list_del corruption, ffff888003d3c0e8->next is LIST_POISON1 (dead000000000100)",
    "ODEBUG: free active (active state 0) object: ffff888003d3c0e8 object type: timer_list",
];

const STALLS: &[&str] = &[
    "watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [insmod:77]",
    "watchdog: CPU1: Watchdog detected hard LOCKUP on cpu 1",
    "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 36s!",
    "INFO: task insmod:12 blocked for more than 120 seconds.",
    "INFO: task insmod:12 blocked in I/O wait for more than 120 seconds.",
    "INFO: task insmod:12 is blocked on a mutex likely owned by task rmmod:13.",
    "rcu: INFO: rcu_preempt self-detected stall on CPU",
    "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
    "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: {",
    "INFO: rcu_tasks detected stalls on tasks:",
    "unregister_netdevice: waiting for tkd0 to become free. Usage count = 2",
];

const LEAKS: &[&str] = &[
    "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
    "kmemleak: unreferenced object 0xffff888003d3c000 (size 1024):",
];

#[test]
fn what_a_kernel_says_that_is_unwell() {
    for (kind, texts) in [
        (Kind::Crash, CRASHES),
        (Kind::Warning, WARNINGS),
        (Kind::Stall, STALLS),
        (Kind::Leak, LEAKS),
    ] {
        for text in texts {
            assert_eq!(sign(text), Some(kind), "{text}");
        }
    }
}

#[test]
fn what_is_no_trouble() {
    for text in [
        "kmemleak: 0 new suspected memory leaks",
        "kmemleak: Kernel memory leak detector initialized (mem pool available: 39000)",
        "kasan: KernelAddressSanitizer initialized (generic)",
        "Spectre V2 : WARNING: Unprivileged eBPF is enabled",
        "sysrq: Show Blocked State",
        "rcu: Hierarchical RCU implementation.",
        "hook_count: function: no such symbol: BUG: x",
        "traps: cat[12] general protection fault ip:1 sp:2 error:0",
        "tackle: loading out-of-tree module taints kernel.",
        "FAULT_INJECTION: forcing a failure.",
        "livepatch: 'livepatch_cmdline': patching complete",
        // arch/x86/kernel/unwind_orc.c
        "WARNING: stack going in the wrong direction? at return_to_handler+0x46/0x4d",
        "workqueue: drain_vmap_area_work hogged CPU for >10000us 4 times",
    ] {
        assert_eq!(sign(text), None, "{text}");
    }
}
