// SPDX-License-Identifier: GPL-2.0
/*
 * A C module with two places that can be made to fail.
 *
 *	insmod fault_sample_c.ko
 *	cd /sys/kernel/debug
 *	echo add > fault_sample_c			# succeeds
 *	echo 1 > tackle/fail_sample_c/times
 *	echo 100 > tackle/fail_sample_c/probability
 *	echo add > fault_sample_c			# Cannot allocate memory
 *	cat tackle/fail_sample_c/points
 */

#include <linux/debugfs.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <tackle/fault.h>

enum { ENTRY_ALLOC, ENTRY_ADD };

static const struct tackle_fault_point points[] = {
	[ENTRY_ALLOC] = { "entry_alloc", -ENOMEM },
	[ENTRY_ADD] = { "entry_add", -EEXIST },
};

static DEFINE_TACKLE_FAULT_ATTR(fail_sample_c, points);

struct entry {
	struct list_head node;
};

static LIST_HEAD(entries);
static DEFINE_MUTEX(lock);
static struct dentry *file;

static int add(void)
{
	struct entry *entry;
	int err = tackle_fault(&fail_sample_c, ENTRY_ALLOC);

	if (err)
		return err;
	entry = kmalloc_obj(*entry);
	if (!entry)
		return -ENOMEM;
	err = tackle_fault(&fail_sample_c, ENTRY_ADD);
	if (err) {
		kfree(entry);
		return err;
	}
	list_add(&entry->node, &entries);
	return 0;
}

static ssize_t run(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	int err;

	mutex_lock(&lock);
	err = add();
	mutex_unlock(&lock);
	return err ?: len;
}

static const struct file_operations run_ops = {
	.owner = THIS_MODULE,
	.write = run,
};

static int __init fault_sample_c_init(void)
{
	int err = tackle_fault_register(&fail_sample_c);

	if (err)
		return err;
	file = debugfs_create_file("fault_sample_c", 0200, NULL, NULL, &run_ops);
	return 0;
}

static void __exit fault_sample_c_exit(void)
{
	struct entry *entry, *next;

	debugfs_remove(file);
	tackle_fault_unregister(&fail_sample_c);
	list_for_each_entry_safe(entry, next, &entries, node)
		kfree(entry);
}

module_init(fault_sample_c_init);
module_exit(fault_sample_c_exit);
MODULE_DESCRIPTION("Sample: fault points of a C module");
MODULE_LICENSE("GPL");
