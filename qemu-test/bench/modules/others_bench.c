// SPDX-License-Identifier: GPL-2.0
/*
 * Hooks in C that do nothing, on functions of bench_others.ko. Each hook has its own ftrace_ops.
 *
 *	insmod bench_others.ko
 *	insmod others_bench.ko hooks=100
 */

#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "bench_others.h"

static uint hooks = 1;
module_param(hooks, uint, 0);
MODULE_PARM_DESC(hooks, "How many functions to hook, 1000 at most");

static struct ftrace_ops *all;

static void do_nothing(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
		       struct ftrace_regs *fregs)
{
}

static void unregister_first(uint count)
{
	for (uint i = 0; i < count; i++) {
		unregister_ftrace_function(&all[i]);
		ftrace_free_filter(&all[i]);
	}
	kvfree(all);
}

static int __init others_bench_init(void)
{
	if (!hooks || hooks > ARRAY_SIZE(bench_others))
		return -EINVAL;
	all = kvcalloc(hooks, sizeof(*all), GFP_KERNEL);
	if (!all)
		return -ENOMEM;
	for (uint i = 0; i < hooks; i++) {
		int ret;

		all[i].func = do_nothing;
		ret = ftrace_set_filter_ip(&all[i], (unsigned long)bench_others[i], 0, 0);
		if (!ret)
			ret = register_ftrace_function(&all[i]);
		if (ret) {
			ftrace_free_filter(&all[i]);
			unregister_first(i);
			return ret;
		}
		cond_resched();
	}
	return 0;
}
module_init(others_bench_init);

static void __exit others_bench_exit(void)
{
	unregister_first(hooks);
}
module_exit(others_bench_exit);

MODULE_DESCRIPTION("Hooks in C that do nothing, on functions of bench_others");
MODULE_LICENSE("GPL");
