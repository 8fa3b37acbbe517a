// SPDX-License-Identifier: GPL-2.0
/*
 * Makes calls of the function of bench_tracee.ko continue in another function, as a live patch
 * does, to measure the cost.
 *
 *	insmod bench_tracee.ko
 *	insmod redirect_bench.ko
 *	cat /sys/kernel/debug/bench_tracee/ns
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/trace_recursion.h>

static void replacement(void)
{
}

static void notrace redirect(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			     struct ftrace_regs *fregs)
{
	int bit = ftrace_test_recursion_trylock(ip, parent_ip);

	if (bit < 0)
		return;
	ftrace_regs_set_instruction_pointer(fregs, (unsigned long)replacement);
	ftrace_test_recursion_unlock(bit);
}

static struct ftrace_ops ops = {
	.func = redirect,
	.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT,
};

static int __init redirect_bench_init(void)
{
	unsigned char name[] = "tracee";
	int ret = ftrace_set_filter(&ops, name, strlen(name), 0);

	if (!ret)
		ret = register_ftrace_function(&ops);
	if (ret)
		ftrace_free_filter(&ops);
	return ret;
}
module_init(redirect_bench_init);

static void __exit redirect_bench_exit(void)
{
	unregister_ftrace_function(&ops);
	ftrace_free_filter(&ops);
}
module_exit(redirect_bench_exit);

MODULE_DESCRIPTION("A redirection of a function that does nothing");
MODULE_LICENSE("GPL");
