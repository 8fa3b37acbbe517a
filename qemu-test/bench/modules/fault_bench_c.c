// SPDX-License-Identifier: GPL-2.0
/*
 * Measures the cost of a fault point in a C module, and of an allocation with the injector's hooks.
 *
 *	cat /sys/kernel/debug/fault_bench_c/{bare,point,alloc}
 *
 * Each prints the nanoseconds of a thousand rounds of a loop: an empty loop, a loop with a fault
 * point that is not armed, and a loop with kmalloc() and kfree(). Interrupts are disabled.
 */

#include <linux/debugfs.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <tackle/fault.h>

#define ROUNDS 1000

static const struct tackle_fault_point points[] = {
	{ "never", -ENOMEM },
};

static DEFINE_TACKLE_FAULT_ATTR(fail_bench_c, points);

static int bare_get(void *data, u64 *ns)
{
	unsigned long flags;
	int i;

	local_irq_save(flags);
	*ns = ktime_get_ns();
	for (i = 0; i < ROUNDS; i++)
		barrier();
	*ns = ktime_get_ns() - *ns;
	local_irq_restore(flags);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(bare_fops, bare_get, NULL, "%llu\n");

static int point_get(void *data, u64 *ns)
{
	unsigned long flags;
	int i, err = 0;

	local_irq_save(flags);
	*ns = ktime_get_ns();
	for (i = 0; i < ROUNDS; i++) {
		err = tackle_fault(&fail_bench_c, 0);
		if (err)
			break;
		barrier();
	}
	*ns = ktime_get_ns() - *ns;
	local_irq_restore(flags);
	return err;
}
DEFINE_DEBUGFS_ATTRIBUTE(point_fops, point_get, NULL, "%llu\n");

static int alloc_get(void *data, u64 *ns)
{
	unsigned long flags;
	int i;

	local_irq_save(flags);
	*ns = ktime_get_ns();
	for (i = 0; i < ROUNDS; i++) {
		void *memory = kmalloc(40, GFP_ATOMIC);

		if (!memory)
			break;
		kfree(memory);
	}
	*ns = ktime_get_ns() - *ns;
	local_irq_restore(flags);
	return i == ROUNDS ? 0 : -ENOMEM;
}
DEFINE_DEBUGFS_ATTRIBUTE(alloc_fops, alloc_get, NULL, "%llu\n");

static struct dentry *dir;

static int __init fault_bench_c_init(void)
{
	int err = tackle_fault_register(&fail_bench_c);

	if (err)
		return err;
	dir = debugfs_create_dir("fault_bench_c", NULL);
	debugfs_create_file_unsafe("bare", 0400, dir, NULL, &bare_fops);
	debugfs_create_file_unsafe("point", 0400, dir, NULL, &point_fops);
	debugfs_create_file_unsafe("alloc", 0400, dir, NULL, &alloc_fops);
	return 0;
}

static void __exit fault_bench_c_exit(void)
{
	debugfs_remove(dir);
	tackle_fault_unregister(&fail_bench_c);
}

module_init(fault_bench_c_init);
module_exit(fault_bench_c_exit);
MODULE_DESCRIPTION("Measures fault points and hooked allocations");
MODULE_LICENSE("GPL");
