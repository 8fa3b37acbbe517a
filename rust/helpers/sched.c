// SPDX-License-Identifier: GPL-2.0

#include <linux/bitops.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

/*
 * Sets the bit of each thread of the process and of its descendants. Returns
 * false if there is no such process. There is a bit for each ID below
 * PID_MAX_LIMIT.
 *
 * One pass over the list of processes is enough, because a process is after its
 * parent in the list. If the process that created it has exited, its parent is
 * an older ancestor.
 */
bool rust_helper_set_descendants(pid_t tgid, unsigned long *tasks)
{
	struct task_struct *process, *thread;
	bool found = false;
	pid_t parent;

	rcu_read_lock();
	for_each_process(process) {
		parent = rcu_dereference(process->real_parent)->tgid;
		if (process->tgid != tgid && !test_bit(parent, tasks))
			continue;
		found = true;
		for_each_thread(process, thread)
			set_bit(thread->pid, tasks);
	}
	rcu_read_unlock();
	return found;
}

/*
 * Returns the task with this ID in the initial namespace and takes a reference
 * to it. Returns NULL if there is none.
 */
struct task_struct *rust_helper_get_task_by_pid(pid_t nr)
{
	struct task_struct *task;

	rcu_read_lock();
	task = pid_task(find_pid_ns(nr, &init_pid_ns), PIDTYPE_PID);
	if (task)
		get_task_struct(task);
	rcu_read_unlock();
	return task;
}
