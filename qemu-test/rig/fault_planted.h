/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Operations, each with a defect in an error path if PLANTED is 1, and without it if PLANTED is 0.
 * PLANTED is 1 in fault_planted.c and 0 in fault_repaired.c.
 *
 * Writing an operation's name to debugfs/NAME/run executes the operation, which allocates resources
 * and frees all of them. Without a failure, all operations of both modules succeed. The comment of
 * each operation describes the defect if an allocation fails.
 */

#include <linux/cdev.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/kobject.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/proc_fs.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

static struct dentry *dir;

/* Allocates memory of a size that the compiler does not know. */
static noinline void *get(size_t size)
{
	return kzalloc(size, GFP_KERNEL);
}

/* The result is not checked, so a null pointer is written to. */
static int missing_check(void)
{
	int *memory = get(48);

	if (!PLANTED && !memory)
		return -ENOMEM;
	WRITE_ONCE(memory[1], 7);
	kfree(memory);
	return 0;
}

/* The first allocation is not freed if the second one fails. */
static int leak_slab(void)
{
	void *first = get(1000), *second;

	if (!first)
		return -ENOMEM;
	second = get(56);
	if (!second) {
		if (!PLANTED)
			kfree(first);
		return -ENOMEM;
	}
	kfree(second);
	kfree(first);
	return 0;
}

static int leak_pages(void)
{
	struct page *pages = alloc_pages(GFP_KERNEL, 4);
	void *second;

	if (!pages)
		return -ENOMEM;
	second = get(56);
	if (!second) {
		if (!PLANTED)
			__free_pages(pages, 4);
		return -ENOMEM;
	}
	kfree(second);
	__free_pages(pages, 4);
	return 0;
}

static int leak_vmalloc(void)
{
	void *first = vmalloc(16 * PAGE_SIZE), *second;

	if (!first)
		return -ENOMEM;
	second = get(56);
	if (!second) {
		if (!PLANTED)
			vfree(first);
		return -ENOMEM;
	}
	kfree(second);
	vfree(first);
	return 0;
}

static int leak_percpu(void)
{
	void __percpu *first = __alloc_percpu(2048, 8);
	void *second;

	if (!first)
		return -ENOMEM;
	second = get(56);
	if (!second) {
		if (!PLANTED)
			free_percpu(first);
		return -ENOMEM;
	}
	kfree(second);
	free_percpu(first);
	return 0;
}

/* The error path frees the first allocation twice. */
static int double_free(void)
{
	void *first = get(72), *second;
	int err = 0;

	if (!first)
		return -ENOMEM;
	second = get(56);
	if (!second) {
		err = -ENOMEM;
		if (PLANTED)
			kfree(first);
	}
	kfree(second);
	kfree(first);
	return err;
}

/* The error path writes to memory that it has freed. */
static int use_after_free(void)
{
	int *first = get(80), *second;

	if (!first)
		return -ENOMEM;
	second = get(56);
	if (!second) {
		if (!PLANTED)
			WRITE_ONCE(first[3], 1);
		kfree(first);
		if (PLANTED)
			WRITE_ONCE(first[3], 1);
		return -ENOMEM;
	}
	kfree(second);
	kfree(first);
	return 0;
}

static DEFINE_MUTEX(forgotten_lock);

/* The lock is not released, so the next operation cannot take it. */
static int lock_held(void)
{
	void *memory;

	if (!mutex_trylock(&forgotten_lock))
		return -EDEADLK;
	memory = get(56);
	if (!memory) {
		if (!PLANTED)
			mutex_unlock(&forgotten_lock);
		return -ENOMEM;
	}
	kfree(memory);
	mutex_unlock(&forgotten_lock);
	return 0;
}

/* The RCU read-side critical section does not end. */
static int rcu_held(void)
{
	void *memory;

	rcu_read_lock();
	memory = kmalloc(56, GFP_ATOMIC);
	if (!memory) {
		if (!PLANTED)
			rcu_read_unlock();
		return -ENOMEM;
	}
	rcu_read_unlock();
	kfree(memory);
	return 0;
}

/* The reference to the module is not dropped, so the module cannot be unloaded. */
static int module_held(void)
{
	void *memory;

	__module_get(THIS_MODULE);
	memory = get(56);
	if (memory || !PLANTED)
		module_put(THIS_MODULE);
	kfree(memory);
	return memory ? 0 : -ENOMEM;
}

struct timed {
	struct timer_list timer;
	int fired;
};

static void fire(struct timer_list *timer)
{
	struct timed *timed = timer_container_of(timed, timer, timer);

	timed->fired++;
}

/* The timer is freed while it is pending. */
static int timer_left(void)
{
	struct timed *timed = get(sizeof(*timed));
	void *second;

	if (!timed)
		return -ENOMEM;
	timer_setup(&timed->timer, fire, 0);
	mod_timer(&timed->timer, jiffies + HZ / 5);
	second = get(56);
	if (second || !PLANTED)
		timer_delete_sync(&timed->timer);
	kfree(timed);
	kfree(second);
	return second ? 0 : -ENOMEM;
}

struct delayed {
	struct delayed_work work;
	int done;
};

static void work_done(struct work_struct *work)
{
	struct delayed *delayed = container_of(to_delayed_work(work), struct delayed, work);

	delayed->done++;
}

/* The work is freed while it is pending. */
static int work_left(void)
{
	struct delayed *delayed = get(sizeof(*delayed));
	void *second;

	if (!delayed)
		return -ENOMEM;
	INIT_DELAYED_WORK(&delayed->work, work_done);
	schedule_delayed_work(&delayed->work, HZ / 5);
	second = get(56);
	if (second || !PLANTED)
		cancel_delayed_work_sync(&delayed->work);
	kfree(delayed);
	kfree(second);
	return second ? 0 : -ENOMEM;
}

/* A file remains in debugfs. */
static int debugfs_left(void)
{
	struct dentry *file = debugfs_create_dir("fault_" KBUILD_MODNAME, NULL);
	void *memory = get(56);

	if (memory || !PLANTED)
		debugfs_remove(file);
	kfree(memory);
	return memory ? 0 : -ENOMEM;
}

/* A directory remains in /proc. */
static int proc_left(void)
{
	struct proc_dir_entry *entry = proc_mkdir("fault_" KBUILD_MODNAME, NULL);
	void *memory;

	if (!entry)
		return -ENOMEM;
	memory = get(56);
	if (memory || !PLANTED)
		proc_remove(entry);
	kfree(memory);
	return memory ? 0 : -ENOMEM;
}

/* A directory remains in sysfs. */
static int sysfs_left(void)
{
	struct kobject *kobject = kobject_create_and_add("fault_" KBUILD_MODNAME, kernel_kobj);
	void *memory;

	if (!kobject)
		return -ENOMEM;
	memory = get(56);
	if (memory || !PLANTED)
		kobject_put(kobject);
	kfree(memory);
	return memory ? 0 : -ENOMEM;
}

/* A major number remains in use. */
static int major_left(void)
{
	dev_t device;
	void *memory;
	int err = alloc_chrdev_region(&device, 0, 1, KBUILD_MODNAME);

	if (err)
		return err;
	memory = get(56);
	if (memory || !PLANTED)
		unregister_chrdev_region(device, 1);
	kfree(memory);
	return memory ? 0 : -ENOMEM;
}

/* A workqueue remains. */
static int workqueue_left(void)
{
	struct workqueue_struct *queue = alloc_workqueue("planted", WQ_UNBOUND, 0);
	void *memory;

	if (!queue)
		return -ENOMEM;
	memory = get(56);
	if (memory || !PLANTED)
		destroy_workqueue(queue);
	kfree(memory);
	return memory ? 0 : -ENOMEM;
}

/* The operation succeeds without having done anything. */
static bool was_done;

static int false_success(void)
{
	void *memory = get(56);
	int err = 0;

	was_done = memory;
	if (!memory && !PLANTED)
		err = -ENOMEM;
	kfree(memory);
	return err;
}

/* The operation returns a wrong errno. */
static int wrong_errno(void)
{
	void *memory = get(56);

	if (!memory)
		return PLANTED ? -EPERM : -ENOMEM;
	kfree(memory);
	return 0;
}

struct entry {
	struct list_head node;
};

static LIST_HEAD(entries);

/* The entry is freed while it is in the list. */
static int wrong_order(void)
{
	struct entry *entry = get(sizeof(*entry) + 200);
	void *second;

	if (!entry)
		return -ENOMEM;
	list_add(&entry->node, &entries);
	second = get(56);
	if (second || !PLANTED)
		list_del(&entry->node);
	kfree(entry);
	kfree(second);
	return second ? 0 : -ENOMEM;
}

static bool is_busy;

/* The operation cannot be repeated. */
static int busy_left(void)
{
	void *memory;

	if (is_busy)
		return -EBUSY;
	is_busy = true;
	memory = get(56);
	if (memory || !PLANTED)
		is_busy = false;
	kfree(memory);
	return memory ? 0 : -ENOMEM;
}

static int thread(void *data)
{
	return 0;
}

/* An error pointer is used as a task. */
static int error_pointer(void)
{
	struct task_struct *task = kthread_create(thread, NULL, "planted");

	if (PLANTED ? !task : IS_ERR(task))
		return -ENOMEM;
	kthread_stop(task);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(void);
} operations[] = {
#define OPERATION(name) { #name, name }
	OPERATION(missing_check),
	OPERATION(leak_slab),
	OPERATION(leak_pages),
	OPERATION(leak_vmalloc),
	OPERATION(leak_percpu),
	OPERATION(double_free),
	OPERATION(use_after_free),
	OPERATION(lock_held),
	OPERATION(rcu_held),
	OPERATION(module_held),
	OPERATION(timer_left),
	OPERATION(work_left),
	OPERATION(debugfs_left),
	OPERATION(proc_left),
	OPERATION(sysfs_left),
	OPERATION(major_left),
	OPERATION(workqueue_left),
	OPERATION(false_success),
	OPERATION(wrong_errno),
	OPERATION(wrong_order),
	OPERATION(busy_left),
	OPERATION(error_pointer),
};

static ssize_t run(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	char word[32] = "";
	int i, err;

	if (len >= sizeof(word) || copy_from_user(word, buf, len))
		return -EINVAL;
	strim(word);
	for (i = 0; i < ARRAY_SIZE(operations); i++) {
		if (strcmp(word, operations[i].name))
			continue;
		err = operations[i].run();
		return err ?: len;
	}
	return -EINVAL;
}

static const struct file_operations run_ops = {
	.owner = THIS_MODULE,
	.write = run,
};

static int operations_show(struct seq_file *m, void *v)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(operations); i++)
		seq_printf(m, "%s\n", operations[i].name);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(operations);

static int __init planted_init(void)
{
	dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("run", 0200, dir, NULL, &run_ops);
	debugfs_create_file("operations", 0400, dir, NULL, &operations_fops);
	debugfs_create_bool("was_done", 0400, dir, &was_done);
	return 0;
}

static void __exit planted_exit(void)
{
	debugfs_remove(dir);
}

module_init(planted_init);
module_exit(planted_exit);
MODULE_LICENSE("GPL");
