// SPDX-License-Identifier: GPL-2.0

#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

/* The pages of hugetlbfs in the task's address space, divided by its threads. */
unsigned long rust_helper_task_hugetlb_share(struct task_struct *task)
{
	unsigned long pages = 0;

#ifdef CONFIG_HUGETLB_PAGE
	task_lock(task);
	if (task->mm && !(task->flags & PF_KTHREAD))
		pages = atomic_long_read(&task->mm->hugetlb_usage) / max(get_nr_threads(task), 1);
	task_unlock(task);
#endif
	return pages;
}

unsigned long rust_helper_vma_kernel_pagesize(struct vm_area_struct *vma)
{
	return vma_kernel_pagesize(vma);
}

/* The node of the page that is mapped at an address, or NUMA_NO_NODE. With the mmap lock. */
int rust_helper_mapped_node(struct mm_struct *mm, unsigned long address)
{
	struct page *page;
	int node;

	if (get_user_pages_remote(mm, address, 1, FOLL_NOFAULT, &page, NULL) != 1)
		return NUMA_NO_NODE;
	node = page_to_nid(page);
	put_page(page);
	return node;
}
