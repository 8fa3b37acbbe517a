// SPDX-License-Identifier: GPL-2.0
/*
 * Marks memory for hinting faults of NUMA balancing, or starts a scan, without waiting for the scan
 * period. Both apply to the process that writes to the module's file.
 *
 *	insmod numa_bench.ko
 *	printf '%x %x' ADDRESS LENGTH > /sys/kernel/debug/numa_bench
 *	printf scan > /sys/kernel/debug/numa_bench
 *
 * Each page of the range causes one hinting fault when the process touches it after that. If the
 * process has a single thread, the kernel does not mark memory on the node of the CPU.
 *
 * "scan" calls task_numa_work() as if the scan period of the process were over.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/kprobes.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/string.h>

/*
 * Pointers to change_prot_numa() and task_numa_work(), which are not exported. With IBT,
 * change_prot_numa() could not be called by a pointer, because the kernel removes the ENDBR of
 * functions that it never calls indirectly. QEMU's translator has no IBT.
 */
static unsigned long (*change_prot)(struct vm_area_struct *vma, unsigned long start,
				    unsigned long end);
static void (*scan)(struct callback_head *work);
static struct dentry *file;

static void numa_bench_change(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma;
	struct vma_iterator vmi;

	vma_iter_init(&vmi, mm, start);
	for_each_vma_range(vmi, vma, end)
		change_prot(vma, max(start, vma->vm_start), min(end, vma->vm_end));
}

/*
 * The kernel queues this work at ticks. It does not do so here, because the suite delays scans for
 * hours.
 */
static void numa_bench_scan(void)
{
	current->mm->numa_next_scan = jiffies;
	scan(&current->numa_work);
}

static ssize_t numa_bench_write(struct file *file, const char __user *buf, size_t len,
				loff_t *pos)
{
	unsigned long start, length, end;
	char text[48] = "";
	ssize_t ret;

	ret = simple_write_to_buffer(text, sizeof(text) - 1, pos, buf, len);
	if (ret < 0)
		return ret;
	if (!strcmp(text, "scan")) {
		numa_bench_scan();
		return ret;
	}
	if (sscanf(text, "%lx %lx", &start, &length) != 2 || !PAGE_ALIGNED(start | length) ||
	    check_add_overflow(start, length, &end) || end > TASK_SIZE)
		return -EINVAL;
	mmap_read_lock(current->mm);
	numa_bench_change(current->mm, start, end);
	mmap_read_unlock(current->mm);
	return ret;
}

static const struct file_operations numa_bench_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = numa_bench_write,
};

/* Returns the address of a function of the kernel, or NULL if it does not exist. */
static void *numa_bench_find(const char *name)
{
	/* The kprobe is only registered to get the address of its symbol. */
	struct kprobe probe = {
		.symbol_name = name,
		.flags = KPROBE_FLAG_DISABLED,
	};
	int err = register_kprobe(&probe);

	if (err) {
		pr_err("no function %s: %d\n", name, err);
		return NULL;
	}
	unregister_kprobe(&probe);
	return probe.addr;
}

static int __init numa_bench_init(void)
{
	change_prot = numa_bench_find("change_prot_numa");
	scan = numa_bench_find("task_numa_work");
	if (!change_prot || !scan)
		return -ENOENT;
	file = debugfs_create_file(KBUILD_MODNAME, 0200, NULL, NULL, &numa_bench_fops);
	return PTR_ERR_OR_ZERO(file);
}
module_init(numa_bench_init);

static void __exit numa_bench_exit(void)
{
	debugfs_remove(file);
}
module_exit(numa_bench_exit);

MODULE_DESCRIPTION("Makes memory fault as NUMA balancing does");
MODULE_LICENSE("GPL");
