// SPDX-License-Identifier: GPL-2.0
/*
 * The probes of the tracepoints sched_skip_vma_numa and sched_waking.
 *
 * They do nothing, but hooks of observers are on them. Therefore they are
 * compiled with calls to ftrace, unlike the helpers. No header declares them,
 * because only Rust code uses them.
 */

#include <linux/compiler.h>
#include <linux/mm_types.h>
#include <linux/sched.h>
#include <linux/sched/numa_balancing.h>

noinline void tackle_numa_skip_probe(void *data, struct mm_struct *mm, struct vm_area_struct *vma,
				     enum numa_vmaskip_reason reason)
{
	/* Without this, the compiler would treat the function as empty. */
	barrier();
}

noinline void tackle_numa_waking_probe(void *data, struct task_struct *wakee)
{
	barrier();
}
