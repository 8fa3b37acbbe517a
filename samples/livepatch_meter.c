// SPDX-License-Identifier: GPL-2.0
/*
 * What the live patches beside it are for: a module with a bug.
 *
 * Who opens /proc/livepatch_meter has a meter as long as the file is open. Written numbers
 * are its readings, and reading it gives their fading average:
 *
 *	exec 3<>/proc/livepatch_meter; echo 4000000000 >&3; cat <&3
 *
 * The average of numbers above 2^31 is wrong.
 */

#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/slab.h>

#include "livepatch_meter.h"

struct meter {
	bool read;
	u32 average;
};

noinline u32 livepatch_meter_average(u32 average, u32 reading)
{
	/* The bug: the sum does not fit. */
	return (average + reading) / 2;
}

noinline void livepatch_meter_add(struct meter *meter, u32 reading)
{
	if (meter->read)
		meter->average = livepatch_meter_average(meter->average, reading);
	else
		meter->average = reading;
	meter->read = true;
}

noinline int livepatch_meter_show(struct seq_file *m, void *v)
{
	struct meter *meter = m->private;

	seq_printf(m, "average %u\n", meter->average);
	return 0;
}

noinline void livepatch_meter_free(struct meter *meter)
{
	kfree(meter);
}

static int meter_open(struct inode *inode, struct file *file)
{
	struct meter *meter = kzalloc_obj(*meter);
	int ret;

	if (!meter)
		return -ENOMEM;
	ret = single_open(file, livepatch_meter_show, meter);
	if (ret)
		livepatch_meter_free(meter);
	return ret;
}

static ssize_t meter_write(struct file *file, const char __user *text, size_t count,
			   loff_t *pos)
{
	struct seq_file *m = file->private_data;
	u32 reading;
	int ret = kstrtou32_from_user(text, count, 0, &reading);

	if (ret)
		return ret;
	mutex_lock(&m->lock);
	livepatch_meter_add(m->private, reading);
	mutex_unlock(&m->lock);
	return count;
}

static int meter_release(struct inode *inode, struct file *file)
{
	struct seq_file *m = file->private_data;

	livepatch_meter_free(m->private);
	return single_release(inode, file);
}

static const struct proc_ops meter_ops = {
	.proc_open = meter_open,
	.proc_read = seq_read,
	.proc_write = meter_write,
	.proc_lseek = seq_lseek,
	.proc_release = meter_release,
};

static int __init meter_init(void)
{
	return proc_create("livepatch_meter", 0600, NULL, &meter_ops) ? 0 : -ENOMEM;
}

static void __exit meter_exit(void)
{
	remove_proc_entry("livepatch_meter", NULL);
}

module_init(meter_init);
module_exit(meter_exit);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The Tackle developers");
MODULE_DESCRIPTION("A module with a bug, for live patches");
