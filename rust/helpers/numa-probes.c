// SPDX-License-Identifier: GPL-2.0
/*
 * The probes of the tracepoints sched_skip_vma_numa and sched_waking.
 *
 * They do nothing: the hooks of observers are on them. So they are compiled with the calls of
 * ftrace, which the helpers are not. As those, they have no header: Rust alone uses them.
 */

#include <linux/compiler.h>
#include <linux/mm_types.h>
#include <linux/sched.h>
#include <linux/sched/numa_balancing.h>

noinline void tackle_numa_skip_probe(void *data, struct mm_struct *mm, struct vm_area_struct *vma,
				     enum numa_vmaskip_reason reason)
{
	/* Not empty for the compiler. */
	barrier();
}

noinline void tackle_numa_waking_probe(void *data, struct task_struct *wakee)
{
	barrier();
}
