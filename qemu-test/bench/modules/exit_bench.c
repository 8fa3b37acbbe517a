// SPDX-License-Identifier: GPL-2.0
/*
 * A kretprobe or an fprobe that does nothing, for measuring what a hook at a function's
 * entry and exit costs.
 *
 *	insmod bench_tracee.ko
 *	insmod exit_bench.ko kind=fprobe
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

static struct fprobe fprobe = {
	.entry_handler = fprobe_entry,
};

static struct kretprobe kretprobe = {
	.kp.symbol_name = "bench_tracee:tracee",
	.entry_handler = kretprobe_nop,
	.handler = kretprobe_nop,
};

static bool is_kretprobe;

static int __init exit_bench_init(void)
{
	is_kretprobe = !strcmp(kind, "kretprobe");
	if (is_kretprobe)
		return register_kretprobe(&kretprobe);
	if (!strcmp(kind, "fprobe"))
		fprobe.exit_handler = fprobe_exit;
	else if (strcmp(kind, "fprobe-entry"))
		return -EINVAL;
	return register_fprobe(&fprobe, "tracee", NULL);
}
module_init(exit_bench_init);

static void __exit exit_bench_exit(void)
{
	if (is_kretprobe)
		unregister_kretprobe(&kretprobe);
	else
		unregister_fprobe(&fprobe);
}
module_exit(exit_bench_exit);

MODULE_DESCRIPTION("A kretprobe or an fprobe that does nothing");
MODULE_LICENSE("GPL");
