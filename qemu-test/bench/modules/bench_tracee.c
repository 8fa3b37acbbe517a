// SPDX-License-Identifier: GPL-2.0
/*
 * A function to hook, and a loop that calls it and measures the time.
 *
 *	insmod bench_tracee.ko
 *	echo 1000 > /sys/kernel/debug/bench_tracee/calls
 *	cat /sys/kernel/debug/bench_tracee/ns
 *
 * This is in C, because ftrace cannot hook functions compiled by rustc. The function and the loop
 * are those of the kernel's samples/ftrace/ftrace-ops.c, except for a nop, so that the figures can
 * be compared. Interrupts are disabled here.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/compiler.h>
#include <linux/debugfs.h>
#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>

#include "bench_tracee.h"

/* The number of calls in one go with interrupts disabled. */
#define CHUNK 10000

static u32 calls = 1000;
static u32 chunk;
static DEFINE_MUTEX(lock);
static struct dentry *dir;

noinline void tracee(void)
{
	/*
	 * Keeps the compiler from removing the calls. The label is the address for a kprobe behind
	 * the function's entry. The eight bytes are one instruction, with room for the jump of an
	 * optimized kprobe.
	 */
	asm volatile("tracee_inside: .nops 8" : : : "memory");
}

static u64 tracee_time(void)
{
	unsigned long flags;
	ktime_t start, end;

	local_irq_save(flags);
	start = ktime_get();
	/* Read the limit each time, as the sample does, so that the loops are the same. */
	for (u32 i = 0; i < READ_ONCE(chunk); i++)
		tracee();
	end = ktime_get();
	local_irq_restore(flags);
	return ktime_to_ns(ktime_sub(end, start));
}

/* Reading the file runs the calls, and returns the nanoseconds that they took. */
static int bench_tracee_ns(void *data, u64 *total)
{
	u32 left;

	guard(mutex)(&lock);
	*total = 0;
	for (left = READ_ONCE(calls); left; left -= chunk) {
		chunk = min(left, CHUNK);
		*total += tracee_time();
		cond_resched();
	}
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(bench_tracee_ns_fops, bench_tracee_ns, NULL, "%llu\n");

static int __init bench_tracee_init(void)
{
	dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_u32("calls", 0600, dir, &calls);
	debugfs_create_file_unsafe("ns", 0400, dir, NULL, &bench_tracee_ns_fops);
	return PTR_ERR_OR_ZERO(dir);
}
module_init(bench_tracee_init);

static void __exit bench_tracee_exit(void)
{
	debugfs_remove(dir);
}
module_exit(bench_tracee_exit);

MODULE_DESCRIPTION("A function to hook, and a loop that calls it and takes the time");
MODULE_LICENSE("GPL");
