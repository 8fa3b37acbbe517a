// SPDX-License-Identifier: GPL-2.0
/*
 * A live patch of rig_busy.ko: its files are empty, and reading them does not sleep.
 */

#include <linux/fs.h>
#include <linux/livepatch.h>
#include <linux/module.h>

static ssize_t livepatch_rig_busy_read(struct file *file, char __user *buf, size_t len,
				       loff_t *pos)
{
	return 0;
}

static struct klp_func funcs[] = {
	{
		.old_name = "rig_busy_read",
		.new_func = livepatch_rig_busy_read,
	},
	{ }
};

static struct klp_object objs[] = {
	{
		.name = "rig_busy",
		.funcs = funcs,
	},
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int __init livepatch_rig_busy_init(void)
{
	return klp_enable_patch(&patch);
}
module_init(livepatch_rig_busy_init);

static void __exit livepatch_rig_busy_exit(void)
{
}
module_exit(livepatch_rig_busy_exit);

MODULE_DESCRIPTION("A live patch of rig_busy.ko");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
