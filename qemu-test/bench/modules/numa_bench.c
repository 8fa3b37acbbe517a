// SPDX-License-Identifier: GPL-2.0
/*
 * Makes memory of the process that writes to a file fault as NUMA balancing does, at once and
 * without waiting for a scan.
 *
 *	insmod numa_bench.ko
 *	printf '%x %x' ADDRESS LENGTH > /sys/kernel/debug/numa_bench
 *
 * Each page of the range that the process touches after that is one hinting fault. The kernel
 * leaves out memory that is on the node of the CPU if the process has a single thread.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/sched.h>

/*
 * change_prot_numa(), which is not exported. With IBT it could not be called so: the kernel
 * removes the ENDBR of functions that it never calls indirectly. QEMU's translator has no IBT.
 */
static unsigned long (*change_prot)(struct vm_area_struct *vma, unsigned long start,
				    unsigned long end);
static struct dentry *file;

static void numa_bench_change(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma;
	struct vma_iterator vmi;

	vma_iter_init(&vmi, mm, start);
	for_each_vma_range(vmi, vma, end)
		change_prot(vma, max(start, vma->vm_start), min(end, vma->vm_end));
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

static int __init numa_bench_init(void)
{
	/* It arms nothing, but gives the address of its symbol. */
	struct kprobe probe = {
		.symbol_name = "change_prot_numa",
		.flags = KPROBE_FLAG_DISABLED,
	};
	int err = register_kprobe(&probe);

	if (err) {
		pr_err("no function change_prot_numa: %d\n", err);
		return err;
	}
	change_prot = (void *)probe.addr;
	unregister_kprobe(&probe);
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
