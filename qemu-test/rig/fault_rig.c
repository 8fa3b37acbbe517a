// SPDX-License-Identifier: GPL-2.0
/*
 * A module with a few sites that can fail, for tests of the fault injector. Writing a word to
 * debugfs/fault_rig/run executes a site. The write fails with the error of the site. The file
 * failures has a bit mask of the calls that failed in the last run. The first call is bit 0.
 */

#include <linux/debugfs.h>
#include <linux/gfp.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

static struct dentry *dir;
static u64 failures;
static u32 calls;
static void *from_init;

static int count(bool fails)
{
	if (fails && calls < 64)
		failures |= BIT_ULL(calls);
	calls++;
	return fails ? -ENOMEM : 0;
}

static noinline int rig_slab(void)
{
	void *memory = kmalloc(40, GFP_KERNEL);
	int err = count(!memory);

	kfree(memory);
	return err;
}

static int last_side;

/* These functions differ, because the compiler would merge equal functions. */
static noinline int rig_left(void)
{
	int err = rig_slab();

	WRITE_ONCE(last_side, 1);
	return err;
}

static noinline int rig_right(void)
{
	int err = rig_slab();

	WRITE_ONCE(last_side, 2);
	return err;
}

static int rig_twice(void)
{
	int left = rig_left(), right = rig_right();

	return left ?: right;
}

static int rig_loop(void)
{
	int i, err = 0;

	for (i = 0; i < 10; i++)
		err = rig_slab() ?: err;
	return err;
}

static noinline int rig_nofail(void)
{
	void *memory = kmalloc(40, GFP_KERNEL | __GFP_NOFAIL);
	int err = count(!memory);

	kfree(memory);
	return err;
}

static noinline int rig_pages(void)
{
	struct page *pages = alloc_pages(GFP_KERNEL, 2);
	int err = count(!pages);

	if (pages)
		__free_pages(pages, 2);
	return err;
}

static noinline int rig_vmalloc(void)
{
	void *memory = vmalloc(3 * PAGE_SIZE);
	int err = count(!memory);

	vfree(memory);
	return err;
}

static noinline int rig_percpu(void)
{
	u64 __percpu *memory = alloc_percpu(u64);
	int err = count(!memory);

	free_percpu(memory);
	return err;
}

static noinline int rig_skb(void)
{
	struct sk_buff *skb = alloc_skb(100, GFP_KERNEL);
	int err = count(!skb);

	kfree_skb(skb);
	return err;
}

/* kstrdup() allocates memory for its caller. */
static noinline int rig_string(void)
{
	char *text = kstrdup("a text", GFP_KERNEL);
	int err = count(!text);

	kfree(text);
	return err;
}

static noinline int rig_workqueue(void)
{
	struct workqueue_struct *queue = alloc_workqueue("fault_rig", WQ_UNBOUND, 0);
	int err = count(!queue);

	if (queue)
		destroy_workqueue(queue);
	return err;
}

static int in_work;

static void rig_work(struct work_struct *work)
{
	in_work = rig_slab();
}

static DECLARE_WORK(work, rig_work);

static int rig_queue(void)
{
	schedule_work(&work);
	flush_work(&work);
	return in_work;
}

static const struct {
	const char *name;
	int (*run)(void);
} sites[] = {
	{ "slab", rig_slab },
	{ "twice", rig_twice },
	{ "loop", rig_loop },
	{ "nofail", rig_nofail },
	{ "pages", rig_pages },
	{ "vmalloc", rig_vmalloc },
	{ "percpu", rig_percpu },
	{ "skb", rig_skb },
	{ "string", rig_string },
	{ "workqueue", rig_workqueue },
	{ "queue", rig_queue },
};

static ssize_t run(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	char word[16] = "";
	int i, err;

	if (len >= sizeof(word) || copy_from_user(word, buf, len))
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(sites); i++) {
		if (strcmp(word, sites[i].name))
			continue;
		failures = 0;
		calls = 0;
		err = sites[i].run();
		return err ?: len;
	}
	return -EINVAL;
}

static const struct file_operations run_ops = {
	.owner = THIS_MODULE,
	.write = run,
};

static int __init fault_rig_init(void)
{
	from_init = kmalloc(64, GFP_KERNEL);
	if (!from_init)
		return -ENOMEM;
	dir = debugfs_create_dir("fault_rig", NULL);
	debugfs_create_file("run", 0200, dir, NULL, &run_ops);
	debugfs_create_u64("failures", 0400, dir, &failures);
	return 0;
}

static void __exit fault_rig_exit(void)
{
	debugfs_remove(dir);
	flush_work(&work);
	kfree(from_init);
}

module_init(fault_rig_init);
module_exit(fault_rig_exit);
MODULE_DESCRIPTION("Sites that can fail, for tests of the fault injector");
MODULE_LICENSE("GPL");
