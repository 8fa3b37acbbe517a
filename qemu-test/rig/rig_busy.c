// SPDX-License-Identifier: GPL-2.0
/*
 * A function whose callers sleep, to delay the live patch of this function (livepatch_rig_busy.ko).
 * It handles reads of two files in debugfs/rig_busy:
 *
 *	interruptible	sleeps until a signal, which the kernel's transitions send, too
 *	killable	sleeps until it is killed
 */

#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/sched/signal.h>

static struct dentry *dir;

/*
 * There is one return, because the compiler might otherwise move a part of it to a separate
 * function.
 */
static ssize_t rig_busy_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	unsigned int state = file_inode(file)->i_private ? TASK_KILLABLE : TASK_INTERRUPTIBLE;

	for (;;) {
		set_current_state(state);
		if (signal_pending_state(state, current))
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	/* After a signal that only woke up the task, the task repeats the read. */
	return -ERESTARTSYS;
}

static const struct file_operations rig_busy_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = rig_busy_read,
};

static int __init rig_busy_init(void)
{
	dir = debugfs_create_dir("rig_busy", NULL);
	debugfs_create_file("interruptible", 0400, dir, NULL, &rig_busy_fops);
	debugfs_create_file("killable", 0400, dir, dir, &rig_busy_fops);
	return 0;
}
module_init(rig_busy_init);

static void __exit rig_busy_exit(void)
{
	debugfs_remove(dir);
}
module_exit(rig_busy_exit);

MODULE_DESCRIPTION("A function to sleep in, which holds up live patches of it");
MODULE_LICENSE("GPL");
