// SPDX-License-Identifier: GPL-2.0
/*
 * The probe of the tracepoint sched_skip_vma_numa.
 *
 * It does nothing: the hooks of observers are on it. So it is compiled with the calls of
 * ftrace, which the helpers are not.
 */

#include <linux/compiler.h>
#include <linux/mm_types.h>
#include <linux/sched/numa_balancing.h>

void tackle_numa_skip_probe(void *data, struct mm_struct *mm, struct vm_area_struct *vma,
			    enum numa_vmaskip_reason reason);

noinline void tackle_numa_skip_probe(void *data, struct mm_struct *mm, struct vm_area_struct *vma,
				     enum numa_vmaskip_reason reason)
{
	/* Not empty for the compiler. */
	barrier();
}
