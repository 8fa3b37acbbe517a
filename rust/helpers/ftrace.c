// SPDX-License-Identifier: GPL-2.0

#include <linux/ftrace.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>

#ifdef CONFIG_DYNAMIC_FTRACE_WITH_ARGS

#include <asm/ibt.h>

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

/* Where a function goes on behind the call that ftrace has put at its entry. */
void *rust_helper_ftrace_behind_entry(void *function)
{
	unsigned long ip = (unsigned long)function;

#ifdef CONFIG_X86_KERNEL_IBT
	/* ENDBR, or what the kernel has put over one that nobody needs. */
	if (__is_endbr(*(u32 *)function))
		ip += ENDBR_INSN_SIZE;
#endif
	return (void *)(ip + MCOUNT_INSN_SIZE);
}

#endif
