// SPDX-License-Identifier: GPL-2.0

#include <linux/ftrace.h>
#include <linux/kdebug.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>

#ifdef CONFIG_DYNAMIC_FTRACE_WITH_ARGS

#include <asm/ibt.h>

/*
 * Whether a CPU executes a handler, for each context: task, softirq, hardirq,
 * NMI.
 */
DEFINE_PER_CPU(u8[4], tackle_ftrace_active);

/* The task that oopsed in a handler on this CPU. That handler never returns. */
static DEFINE_PER_CPU(struct task_struct *, tackle_ftrace_oopsed);

static int notrace tackle_ftrace_die(struct notifier_block *block, unsigned long event,
				     void *data)
{
	if (event == DIE_OOPS && __this_cpu_read(tackle_ftrace_active[0]))
		__this_cpu_write(tackle_ftrace_oopsed, current);
	return NOTIFY_DONE;
}

static struct notifier_block tackle_ftrace_die_block = {
	.notifier_call = tackle_ftrace_die,
};

int rust_helper_ftrace_watch_oopses(void)
{
	return register_die_notifier(&tackle_ftrace_die_block);
}

void rust_helper_ftrace_ignore_oopses(void)
{
	unregister_die_notifier(&tackle_ftrace_die_block);
}

/*
 * Returns whether tackle_ftrace_active[0] of this CPU was set by a handler that
 * never returns, because its task oopsed. If so, forgets that task. alone: the
 * preemption count shows that no handler runs.
 */
bool rust_helper_ftrace_handler_is_dead(bool alone)
{
	struct task_struct *oopsed = __this_cpu_read(tackle_ftrace_oopsed);

	/* The task that oopsed can call hooked functions while it exits. */
	if (!alone && (!oopsed || oopsed == current))
		return false;
	__this_cpu_write(tackle_ftrace_oopsed, NULL);
	return true;
}

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

/* Returns the address after the call to ftrace at the entry of a function. */
void *rust_helper_ftrace_behind_entry(void *function)
{
	unsigned long ip = (unsigned long)function;

#ifdef CONFIG_X86_KERNEL_IBT
	/* ENDBR, or the instruction by which the kernel has replaced it. */
	if (__is_endbr(*(u32 *)function))
		ip += ENDBR_INSN_SIZE;
#endif
	return (void *)(ip + MCOUNT_INSN_SIZE);
}

#endif
