// SPDX-License-Identifier: GPL-2.0
/*
 * Frees trampolines of removed exit hooks once no task returns to them any more
 * (rust/tackle/ftrace/exit/sites.rs).
 */

#include <linux/workqueue.h>

#ifdef CONFIG_DYNAMIC_FTRACE_WITH_ARGS

/* Returns whether tasks are left in such trampolines. */
bool tackle_ftrace_exit_drain(void);

static void tackle_ftrace_exit_work_func(struct work_struct *work);
static DECLARE_DELAYED_WORK(tackle_ftrace_exit_work, tackle_ftrace_exit_work_func);

void rust_helper_ftrace_exit_drain_later(void)
{
	schedule_delayed_work(&tackle_ftrace_exit_work, HZ / 10);
}

static void tackle_ftrace_exit_work_func(struct work_struct *work)
{
	if (tackle_ftrace_exit_drain())
		rust_helper_ftrace_exit_drain_later();
}

void rust_helper_ftrace_exit_stop_draining(void)
{
	cancel_delayed_work_sync(&tackle_ftrace_exit_work);
}

#endif
