// SPDX-License-Identifier: GPL-2.0

#include <linux/mm.h>
#include <linux/sched/task.h>

/*
 * Whether the task's address space has huge pages of hugetlbfs. The count is wrong for processes
 * that share page tables, and can be below 0: the last process to unmap a page subtracts it, and
 * the first process that touched it has added it.
 */
bool rust_helper_task_has_hugetlb(struct task_struct *task)
{
	bool has = false;

#ifdef CONFIG_HUGETLB_PAGE
	task_lock(task);
	if (task->mm && !(task->flags & PF_KTHREAD))
		has = atomic_long_read(&task->mm->hugetlb_usage) != 0;
	task_unlock(task);
#endif
	return has;
}

/*
 * Returns the node of the page that is mapped at an address, or NUMA_NO_NODE.
 * The caller holds the mmap lock.
 */
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
