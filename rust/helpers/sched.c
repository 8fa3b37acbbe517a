// SPDX-License-Identifier: GPL-2.0

#include <linux/bitops.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

static bool descends_from(const struct task_struct *task, pid_t tgid)
{
	/* The idle task is its own parent. */
	while (task->tgid != tgid) {
		if (!task->pid)
			return false;
		task = rcu_dereference(task->real_parent);
	}
	return true;
}

/*
 * Sets the bit of each thread of the process and of its descendants; false if there is no
 * such process. There is a bit for each ID below PID_MAX_LIMIT.
 */
bool rust_helper_set_descendants(pid_t tgid, unsigned long *tasks)
{
	struct task_struct *process, *thread;
	bool found = false;

	rcu_read_lock();
	for_each_process_thread(process, thread) {
		if (descends_from(process, tgid)) {
			set_bit(thread->pid, tasks);
			found = true;
		}
	}
	rcu_read_unlock();
	return found;
}
