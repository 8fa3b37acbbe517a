// SPDX-License-Identifier: GPL-2.0

#include <linux/ftrace.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>

#ifdef CONFIG_DYNAMIC_FTRACE_WITH_ARGS

/* Whether a CPU is in a handler, for each context that can interrupt another. */
DEFINE_PER_CPU(u8[4], tackle_ftrace_active);

void rust_helper___preempt_schedule_notrace(void)
{
#ifdef CONFIG_PREEMPTION
	__preempt_schedule_notrace();
#endif
}

void rust_helper_synchronize_rcu_tasks(void)
{
	synchronize_rcu_tasks();
}

#endif
