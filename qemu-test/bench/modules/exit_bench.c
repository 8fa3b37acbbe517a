// SPDX-License-Identifier: GPL-2.0
/*
 * Kretprobes or fprobes that do nothing, to measure the cost of hooks at a function's entry and
 * exit.
 *
 *	insmod bench_tracee.ko
 *	insmod exit_bench.ko kind=fprobe count=1
 *	cat /sys/kernel/debug/bench_tracee/ns
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fprobe.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/string.h>

static char *kind = "fprobe";
module_param(kind, charp, 0);
MODULE_PARM_DESC(kind, "fprobe (default), fprobe-entry or kretprobe");

#define COUNT_MAX 10
static unsigned int count = 1;
module_param(count, uint, 0);
MODULE_PARM_DESC(count, "How many, from 1 to 10");

static int fprobe_entry(struct fprobe *fp, unsigned long entry_ip, unsigned long ret_ip,
			struct ftrace_regs *regs, void *entry_data)
{
	return 0;
}

static void fprobe_exit(struct fprobe *fp, unsigned long entry_ip, unsigned long ret_ip,
			struct ftrace_regs *regs, void *entry_data)
{
}

static int kretprobe_nop(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	return 0;
}

static struct fprobe fprobes[COUNT_MAX];
static struct kretprobe kretprobes[COUNT_MAX];
static unsigned int registered;

static int exit_bench_register(unsigned int n)
{
	if (!strcmp(kind, "kretprobe")) {
		kretprobes[n].kp.symbol_name = "bench_tracee:tracee";
		kretprobes[n].entry_handler = kretprobe_nop;
		kretprobes[n].handler = kretprobe_nop;
		return register_kretprobe(&kretprobes[n]);
	}
	fprobes[n].entry_handler = fprobe_entry;
	if (!strcmp(kind, "fprobe"))
		fprobes[n].exit_handler = fprobe_exit;
	else if (strcmp(kind, "fprobe-entry"))
		return -EINVAL;
	return register_fprobe(&fprobes[n], "tracee", NULL);
}

static void exit_bench_exit(void)
{
	while (registered--) {
		if (!strcmp(kind, "kretprobe"))
			unregister_kretprobe(&kretprobes[registered]);
		else
			unregister_fprobe(&fprobes[registered]);
	}
}

static int __init exit_bench_init(void)
{
	if (count < 1 || count > COUNT_MAX)
		return -EINVAL;
	while (registered < count) {
		int err = exit_bench_register(registered);

		if (err) {
			exit_bench_exit();
			return err;
		}
		registered++;
	}
	return 0;
}
module_init(exit_bench_init);
module_exit(exit_bench_exit);

MODULE_DESCRIPTION("Kretprobes or fprobes that do nothing");
MODULE_LICENSE("GPL");
