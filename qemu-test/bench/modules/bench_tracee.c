// SPDX-License-Identifier: GPL-2.0
/*
 * A function to hook, and a loop that calls it and takes the time.
 *
 *	insmod bench_tracee.ko
 *	echo 1000 > /sys/kernel/debug/bench_tracee/calls
 *	cat /sys/kernel/debug/bench_tracee/ns
 *
 * In C, since ftrace can hook nothing that rustc makes. The function and the loop
 * around it are those of the kernel's samples/ftrace/ftrace-ops.c but for a nop, so that
 * figures of both can be compared; here no interrupt comes in between.
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

/* How many calls at once without interrupts. */
#define CHUNK 10000

static u32 calls = 1000;
static u32 chunk;
static DEFINE_MUTEX(lock);
static struct dentry *dir;

noinline void tracee(void)
{
	/*
	 * Keeps the compiler from leaving the calls out. The label is where a kprobe
	 * behind the function's entry goes; the eight bytes, one instruction, are room
	 * for the jump of an optimized one.
	 */
	asm volatile("tracee_inside: .nops 8" : : : "memory");
}

static u64 tracee_time(void)
{
	unsigned long flags;
	ktime_t start, end;

	local_irq_save(flags);
	start = ktime_get();
	/* The limit is read each time, as the sample does it: that keeps the loop as it is. */
	for (u32 i = 0; i < READ_ONCE(chunk); i++)
		tracee();
	end = ktime_get();
	local_irq_restore(flags);
	return ktime_to_ns(ktime_sub(end, start));
}

/* Reading the file is what starts the calls; it has the nanoseconds that they took. */
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
