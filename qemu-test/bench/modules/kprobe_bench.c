// SPDX-License-Identifier: GPL-2.0
/*
 * Kprobes that do nothing, to measure the cost of a kprobe.
 *
 *	insmod bench_tracee.ko
 *	insmod kprobe_bench.ko probes=1 symbol=bench_tracee:tracee
 *	cat /sys/module/kprobe_bench/parameters/opcode
 *	cat /sys/kernel/debug/bench_tracee/ns
 *
 * At a function's entry, ftrace calls the kprobe. Behind the entry (at the symbol
 * bench_tracee:tracee_inside) the kprobe is a breakpoint. If debug.kprobes-optimization is set, the
 * kernel replaces it by a jump after a while. /sys/kernel/debug/kprobes/list shows it as optimized
 * as soon as this is planned, so the parameter opcode shows the code itself.
 *
 * With count=1, the parameter hits has the number of hits of all kprobes together.
 *
 * The kernel's samples/kprobes/kprobe_example.c prints in its handler.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>

#define MAX_PROBES 16

static uint probes = 1;
module_param(probes, uint, 0);
MODULE_PARM_DESC(probes, "How many kprobes to put there, 1 to 16");

static char *symbol = "bench_tracee:tracee";
module_param(symbol, charp, 0);
MODULE_PARM_DESC(symbol, "The symbol to put them at");

static bool count;
module_param(count, bool, 0);
MODULE_PARM_DESC(count, "Whether they count instead of doing nothing");

static atomic_t hits = ATOMIC_INIT(0);

static int hits_get(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%u\n", atomic_read(&hits));
}

static const struct kernel_param_ops hits_ops = {
	.get = hits_get,
};
module_param_cb(hits, &hits_ops, NULL, 0400);
MODULE_PARM_DESC(hits, "How often they were hit, with count=1");

static struct kprobe kprobes[MAX_PROBES];
static struct kprobe *list[MAX_PROBES];

/* The first byte at the kprobes: e8 is a call of ftrace, e9 a jump, cc a breakpoint. */
static int opcode_get(char *buffer, const struct kernel_param *param)
{
	u8 opcode;
	int ret;

	/* The function's module may have been unloaded. */
	ret = copy_from_kernel_nofault(&opcode, kprobes[0].addr, sizeof(opcode));
	return ret ?: sysfs_emit(buffer, "%02x\n", opcode);
}

static const struct kernel_param_ops opcode_ops = {
	.get = opcode_get,
};
module_param_cb(opcode, &opcode_ops, NULL, 0400);
MODULE_PARM_DESC(opcode, "The first byte of the code at them, hexadecimal");

static int nop_pre_handler(struct kprobe *p, struct pt_regs *regs)
{
	return 0;
}

static int count_pre_handler(struct kprobe *p, struct pt_regs *regs)
{
	atomic_inc(&hits);
	return 0;
}

static int __init kprobe_bench_init(void)
{
	int ret;

	if (!probes || probes > MAX_PROBES)
		return -EINVAL;
	for (uint i = 0; i < probes; i++) {
		kprobes[i].symbol_name = symbol;
		kprobes[i].pre_handler = count ? count_pre_handler : nop_pre_handler;
		list[i] = &kprobes[i];
	}
	ret = register_kprobes(list, probes);
	if (ret)
		pr_err("%s: %pe\n", symbol, ERR_PTR(ret));
	return ret;
}
module_init(kprobe_bench_init);

static void __exit kprobe_bench_exit(void)
{
	unregister_kprobes(list, probes);
}
module_exit(kprobe_bench_exit);

MODULE_DESCRIPTION("Kprobes that do nothing, on the function of bench_tracee");
MODULE_LICENSE("GPL");
