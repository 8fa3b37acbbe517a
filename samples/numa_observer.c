// SPDX-License-Identifier: GPL-2.0
/*
 * Observes NUMA balancing from C: how much memory tasks access on their own node, and how much of
 * it the kernel has migrated.
 *
 *	insmod numa_observer.ko
 *	cat /sys/kernel/debug/numa_observer
 */

#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <tackle/numa.h>

static atomic64_t local, remote, migrated;

static void on_fault(struct tackle_numa_observer *observer, const struct tackle_numa_fault *fault)
{
	if (fault->flags & TACKLE_NUMA_LOCAL)
		atomic64_add(fault->pages, &local);
	else
		atomic64_add(fault->pages, &remote);
}

static void on_migration(struct tackle_numa_observer *observer,
			 const struct tackle_numa_migration *migration)
{
	if (migration->result == TACKLE_NUMA_MIGRATION_DONE)
		atomic64_add(1L << migration->order, &migrated);
}

static struct tackle_numa_observer observer = {
	.size = sizeof(observer),
	.owner = THIS_MODULE,
	.fault = on_fault,
	.migration = on_migration,
};

static int numa_observer_show(struct seq_file *m, void *v)
{
	seq_printf(m, "local %lld\nremote %lld\nmigrated %lld\n", atomic64_read(&local),
		   atomic64_read(&remote), atomic64_read(&migrated));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(numa_observer);

static struct dentry *file;

static int __init numa_observer_init(void)
{
	int err = tackle_numa_register(&observer);

	if (err)
		return err;
	file = debugfs_create_file("numa_observer", 0400, NULL, NULL, &numa_observer_fops);
	return 0;
}

static void __exit numa_observer_exit(void)
{
	debugfs_remove(file);
	tackle_numa_unregister(&observer);
}

module_init(numa_observer_init);
module_exit(numa_observer_exit);
MODULE_DESCRIPTION("Observes NUMA balancing");
MODULE_LICENSE("GPL");
