// SPDX-License-Identifier: GPL-2.0

#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/sched.h>

struct task_struct *rust_helper_kthread_run(int (*function)(void *data), void *data,
					    const char *name)
{
	return kthread_run(function, data, "%s", name);
}

/*
 * Sleeps until the time is over or kthread_stop() is called. Returns whether
 * the thread shall stop.
 */
bool rust_helper_kthread_wait(unsigned int ms)
{
	/* Set the state first, so that no wake-up by kthread_stop() is lost. */
	set_current_state(TASK_IDLE);
	if (!kthread_should_stop())
		schedule_timeout(msecs_to_jiffies(ms));
	__set_current_state(TASK_RUNNING);
	return kthread_should_stop();
}
