/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Observers and policies of automatic NUMA balancing, for C modules. tackle_ftrace.ko has the
 * functions.
 *
 *	static void on_fault(struct tackle_numa_observer *observer,
 *			     const struct tackle_numa_fault *fault)
 *	{
 *		...
 *	}
 *
 *	static struct tackle_numa_observer observer = {
 *		.size = sizeof(observer),
 *		.owner = THIS_MODULE,
 *		.fault = on_fault,
 *	};
 *
 *	err = tackle_numa_register(&observer);
 *	...
 *	tackle_numa_unregister(&observer);
 *
 * Rust modules have the trait tackle::numa::Observer, and Documentation/numa.rst describes both.
 *
 * Context of all callbacks: preemption is disabled and RCU watches. A callback must not sleep
 * and must not take a lock that a caller of the scheduler or of the memory management can hold.
 * Callbacks run on many CPUs at once. Kernel functions that a callback calls are not observed.
 * Pointers in an event are valid until the callback returns. All times are in nanoseconds.
 *
 * Later versions may append fields. Check the size before you read a field that is newer than the
 * first version of its struct.
 */

#ifndef _TACKLE_NUMA_H
#define _TACKLE_NUMA_H

#include <linux/types.h>

struct folio;
struct module;
struct task_struct;

/* In @flags of struct tackle_numa_fault. */
#define TACKLE_NUMA_MIGRATED		0x01	/* the fault migrated the folio */
#define TACKLE_NUMA_NO_GROUP		0x02	/* read-only page: not used for NUMA groups */
#define TACKLE_NUMA_SHARED		0x04	/* several address spaces map the folio */
#define TACKLE_NUMA_LOCAL		0x08	/* memory and CPU were on one node */
#define TACKLE_NUMA_MIGRATE_FAIL	0x10	/* a migration was tried, and failed */

/* In @last_cpu and @last_pid: the kernel has not recorded an access to the page yet. */
#define TACKLE_NUMA_NONE		(-1)

/*
 * The kernel handles a hinting fault (numa_migrate_check()). It counts each of
 * these faults once in numa_hint_faults of /proc/vmstat. The page table lock is
 * held.
 *
 * @mem_node:	node of the folio
 * @cpu_node:	node of the CPU
 * @pages:	pages of the folio
 * @cgroup:	ID of the memory cgroup that the folio is charged to; 0 without one
 */
struct tackle_numa_hint {
	size_t size;
	struct task_struct *task;
	int mem_node;
	int cpu_node;
	unsigned int pages;
	u64 cgroup;
};

/*
 * The kernel adds a hinting fault to its statistics (task_numa_fault()). @task is current.
 *
 * @mem_node:	node of the memory, after a migration the new one
 * @cpu_node:	node of the CPU
 * @pages:	pages that it counts for
 * @flags:	TACKLE_NUMA_*
 * @last_cpu:	CPU that accessed the page before, or TACKLE_NUMA_NONE
 * @last_pid:	lower eight bits of the PID of the task at @last_cpu, or TACKLE_NUMA_NONE
 */
struct tackle_numa_fault {
	size_t size;
	struct task_struct *task;
	int mem_node;
	int cpu_node;
	unsigned int pages;
	unsigned int flags;
	int last_cpu;
	int last_pid;
};

/*
 * task_numa_fault() has returned. @fault is the same as in the event fault; @private is how the
 * kernel has counted it.
 *
 * @private:	1: as private to the task; 0: as shared; -1: not at all
 * @duration:	of task_numa_fault(), which may have moved the task
 */
struct tackle_numa_counted {
	size_t size;
	int private;
	u64 duration;
	struct tackle_numa_fault fault;
};

/*
 * A task's scan window closes: the kernel is about to halve the task's averages and to add to
 * them what the window has counted (task_numa_placement()). @task is current.
 *
 * @nodes:	nr_node_ids
 * @faults:	task_struct.numa_faults. Pages of the window:
 *		faults[4 * nodes + 2 * node]		shared, by node of the memory
 *		faults[4 * nodes + 2 * node + 1]	private, by node of the memory
 *		faults[6 * nodes + 2 * node]		shared, by node of the CPU
 *		faults[6 * nodes + 2 * node + 1]	private, by node of the CPU
 * @group:	ID of the task's NUMA group, 0 without one
 */
struct tackle_numa_window {
	size_t size;
	struct task_struct *task;
	unsigned int nodes;
	const unsigned long *faults;
	int group;
};

/* In @result of struct tackle_numa_scan. */
#define TACKLE_NUMA_SCANNED	0	/* page tables were walked */
#define TACKLE_NUMA_EXITING	1	/* the task exits */
#define TACKLE_NUMA_ONE_NODE	2	/* the cpuset has memory of one node */
#define TACKLE_NUMA_TOO_EARLY	3	/* the period is not over, or another thread scans */
#define TACKLE_NUMA_BUSY	4	/* mmap_lock was taken */

/*
 * A task has done its part of the scan (task_numa_work()). @task is current.
 */
struct tackle_numa_scan {
	size_t size;
	struct task_struct *task;
	u64 duration;
	int result;
};

/* In @reason of struct tackle_numa_skip: as enum numa_vmaskip_reason. */
#define TACKLE_NUMA_SKIP_UNSUITABLE	0
#define TACKLE_NUMA_SKIP_SHARED_RO	1
#define TACKLE_NUMA_SKIP_INACCESSIBLE	2
#define TACKLE_NUMA_SKIP_SCAN_DELAY	3
#define TACKLE_NUMA_SKIP_PID_INACTIVE	4
#define TACKLE_NUMA_SKIP_IGNORE_PID	5
#define TACKLE_NUMA_SKIP_SEQ_COMPLETED	6
#define TACKLE_NUMA_SKIP_REASONS	7

/*
 * A scan skips a VMA (the tracepoint sched_skip_vma_numa). @task is current, which holds
 * mmap_lock for reading. With TACKLE_NUMA_SKIP_IGNORE_PID the VMA is scanned nevertheless.
 */
struct tackle_numa_skip {
	size_t size;
	struct task_struct *task;
	unsigned long start;
	unsigned long end;
	int reason;
};

/* In @result of struct tackle_numa_migration. */
#define TACKLE_NUMA_MIGRATION_DONE	0
#define TACKLE_NUMA_NODE_FULL		1	/* the node has little free memory */
#define TACKLE_NUMA_ISOLATED		2	/* the folio is not in an LRU list */
#define TACKLE_NUMA_DIRTY		3	/* a dirty folio of a file */
#define TACKLE_NUMA_SHARED_EXEC		4	/* executable, of a file, in several processes */
#define TACKLE_NUMA_PINNED		5	/* it may be pinned for DMA */
#define TACKLE_NUMA_REFUSED		6	/* migrate_pages() failed: in use, or no memory */
#define TACKLE_NUMA_RESULTS		7

/*
 * The kernel has migrated a misplaced folio, or has given up (migrate_misplaced_folio_prepare()
 * and migrate_misplaced_folio()). @task is current.
 *
 * @order:	of the folio
 * @source:	node of the folio
 * @target:	node that it was to be migrated to
 * @result:	TACKLE_NUMA_MIGRATION_DONE or the reason. The reason is derived from the folio
 *		after the failure: it can be wrong if the folio changes at that moment.
 * @duration:	of migrate_misplaced_folio(); 0 if it was not called
 * @cgroup:	ID of the memory cgroup that the folio is charged to; 0 without one
 */
struct tackle_numa_migration {
	size_t size;
	struct task_struct *task;
	unsigned int order;
	int source;
	int target;
	int result;
	u64 duration;
	u64 cgroup;
};

/* In @kind of struct tackle_numa_placement. */
#define TACKLE_NUMA_PREFERRED	0	/* sched_setnuma(): the preferred node has changed */
#define TACKLE_NUMA_MOVED	1	/* migrate_task_to() has returned */
#define TACKLE_NUMA_SWAPPED	2	/* migrate_swap() has returned */

/*
 * The kernel places a task. @task is current, unless a module sets the
 * preferred node of @task or moves it.
 *
 * @other:	for TACKLE_NUMA_SWAPPED the other task, else NULL
 * @source:	node that was preferred, or node of the CPU that the task was on; -1: none
 * @target:	node that is preferred, or node of the CPU that the task was to go to
 * @error:	0, or a negative errno of the function. 0 for TACKLE_NUMA_PREFERRED
 */
struct tackle_numa_placement {
	size_t size;
	struct task_struct *task;
	struct task_struct *other;
	int kind;
	int source;
	int target;
	int error;
};

/*
 * The statistics of a task are about to be freed, or to be cleared by execve()
 * (task_numa_free()).
 *
 * The task can be another one than current. The context can be a softirq.
 *
 * @ended:	the task has ended
 * @last:	no thread of its process lives
 * @group:	ID of the task's NUMA group, 0 without one
 */
struct tackle_numa_exit {
	size_t size;
	struct task_struct *task;
	bool ended;
	bool last;
	int group;
};

/*
 * A task or an interrupt wakes a task (the tracepoint sched_waking).
 *
 * Interrupts are disabled and pi_lock of @task is held, unless a task wakes
 * itself. A callback may take only its own raw spinlocks, and must not wake a
 * task. It can run in an interrupt.
 *
 * @task:	the task that is woken up
 * @waker:	current; NULL if an interrupt wakes @task
 * @node:	node of the CPU that @task was on last; the kernel may place it on another one
 * @waker_node:	node of the CPU that wakes it
 */
struct tackle_numa_wakeup {
	size_t size;
	struct task_struct *task;
	struct task_struct *waker;
	int node;
	int waker_node;
};

/*
 * An observer. A callback can be NULL: its event is then not observed, and its kernel functions
 * are not hooked. Do not change the struct while it is registered.
 *
 * @size:	sizeof(struct tackle_numa_observer)
 * @owner:	THIS_MODULE
 * @registration: private to the library; initialise it to NULL
 */
struct tackle_numa_observer {
	size_t size;
	struct module *owner;
	void *registration;
	void (*hint)(struct tackle_numa_observer *observer, const struct tackle_numa_hint *hint);
	void (*fault)(struct tackle_numa_observer *observer,
		      const struct tackle_numa_fault *fault);
	void (*counted)(struct tackle_numa_observer *observer,
			const struct tackle_numa_counted *counted);
	void (*window)(struct tackle_numa_observer *observer,
		       const struct tackle_numa_window *window);
	void (*scan)(struct tackle_numa_observer *observer, const struct tackle_numa_scan *scan);
	void (*skip)(struct tackle_numa_observer *observer, const struct tackle_numa_skip *skip);
	void (*migration)(struct tackle_numa_observer *observer,
			  const struct tackle_numa_migration *migration);
	void (*placement)(struct tackle_numa_observer *observer,
			  const struct tackle_numa_placement *placement);
	void (*exit)(struct tackle_numa_observer *observer, const struct tackle_numa_exit *exit);
	void (*wakeup)(struct tackle_numa_observer *observer,
		       const struct tackle_numa_wakeup *wakeup);
};

/*
 * Registers an observer. Do not move or free it until it is unregistered. May sleep. The caller
 * must serialise the calls that register or unregister the same observer.
 *
 * Returns 0, or
 * -EINVAL	@size is not the size of the struct, @owner is NULL or all callbacks are NULL;
 * -EBUSY	it is registered already;
 * -ENOENT	the kernel lacks a function or a tracepoint that an event needs: the log names
 *		both;
 * -ENOMEM	no memory;
 * -ENODEV	ftrace has switched itself off after an internal error.
 */
int tackle_numa_register(struct tackle_numa_observer *observer);

/*
 * Unregisters an observer. When this has returned, no callback runs, and none will. May sleep.
 * One that is still registered when its owner is unloaded is unregistered then.
 *
 * Does nothing if the observer is not registered: if its registration has failed, or if it was
 * unregistered before. @registration is NULL then.
 */
void tackle_numa_unregister(struct tackle_numa_observer *observer);

/* The verdict of a policy about a folio. */
#define TACKLE_NUMA_DEFER	0	/* the kernel's own rules decide */
#define TACKLE_NUMA_ALLOW	1	/* the fault migrates the folio */
#define TACKLE_NUMA_DENY	2	/* the fault leaves the folio where it is */

/*
 * A task whose preferred node is to be chosen. @task is current.
 *
 * @node:	node that the kernel has chosen; while @closing, the preferred node; -1: none
 * @closing:	the kernel has not chosen yet. It is about to halve the averages and to add the
 *		counts of the window
 * @nodes:	nr_node_ids
 * @faults:	task_struct.numa_faults. Pages:
 *		faults[2 * node]			average, shared
 *		faults[2 * node + 1]			average, private
 *		faults[4 * nodes + 2 * node]		of the window, shared
 *		faults[4 * nodes + 2 * node + 1]	of the window, private
 *		NULL if the task has no statistics
 * @group:	ID of the task's NUMA group, 0 without one
 */
struct tackle_numa_choice {
	size_t size;
	struct task_struct *task;
	int node;
	bool closing;
	unsigned int nodes;
	const unsigned long *faults;
	int group;
};

/*
 * A hinting fault could migrate a folio. @task is current. The page table lock is held.
 *
 * @source:	node of the folio
 * @target:	node of the CPU
 */
struct tackle_numa_page {
	size_t size;
	struct task_struct *task;
	struct folio *folio;
	int source;
	int target;
};

/*
 * A policy decides about the balancing of all tasks. If a callback is NULL, the
 * kernel's own rules decide. Do not change the struct while it is registered.
 *
 * A kernel with struct numa_balancing_ops calls the policy itself. On other
 * kernels hooks call it, which is "with hooks" below.
 *
 * Context of all callbacks: an RCU read section. With hooks, preemption is also
 * disabled. A callback must not sleep, and must not take a lock that a caller
 * of the scheduler or of the memory management can hold. Callbacks run on many
 * CPUs at once. @task is current.
 *
 * @size:	sizeof(struct tackle_numa_policy)
 * @owner:	THIS_MODULE
 * @registration: private to the library; initialise it to NULL
 * @enabled:	whether the task may scan its address space now. If not, this is
 *		called again after the task's scan period
 * @sees_bound:	whether scans of the task include memory whose memory policy
 *		forbids migration (mbind()). Faults on this memory are counted,
 *		and never migrate it
 * @scan_period: the scan period in ms. @period is the current one. 0 becomes 1.
 *		With hooks, this is also called when a scan window closes. Then
 *		the returned period has an effect only if it is shorter
 * @preferred_node: the node that the task shall prefer. If the task cannot run
 *		there, the kernel's choice is used. With hooks, this can be
 *		called twice for a scan window
 * @migrate:	TACKLE_NUMA_DEFER, TACKLE_NUMA_ALLOW or TACKLE_NUMA_DENY
 */
struct tackle_numa_policy {
	size_t size;
	struct module *owner;
	void *registration;
	bool (*enabled)(struct tackle_numa_policy *policy, struct task_struct *task);
	bool (*sees_bound)(struct tackle_numa_policy *policy, struct task_struct *task);
	unsigned int (*scan_period)(struct tackle_numa_policy *policy, struct task_struct *task,
				    unsigned int period);
	int (*preferred_node)(struct tackle_numa_policy *policy,
			      const struct tackle_numa_choice *choice);
	int (*migrate)(struct tackle_numa_policy *policy, const struct tackle_numa_page *page);
};

/*
 * Registers a policy. There can be one at a time. Do not move or free it until it is unregistered.
 * May sleep. The caller must serialise the calls that register or unregister the same policy.
 *
 * Returns 0, or
 * -EINVAL	@size is not the size of the struct, @owner is NULL or all callbacks are NULL;
 * -EBUSY	there is a policy, or another user redirects a function that is to be overridden;
 * -ENOENT	the kernel lacks such a function;
 * -ENOMEM	no memory;
 * -ENODEV	ftrace has switched itself off after an internal error.
 */
int tackle_numa_register_policy(struct tackle_numa_policy *policy);

/*
 * Unregisters a policy. When this has returned, no callback runs, and the kernel balances by its
 * own rules. May sleep. One that is still registered when its owner is unloaded is unregistered
 * then.
 *
 * Does nothing if the policy is not registered: if its registration has failed, or if it was
 * unregistered before. @registration is NULL then. Another policy that is registered remains.
 */
void tackle_numa_unregister_policy(struct tackle_numa_policy *policy);

/* Helpers for callbacks. */

/* The ID of the task's NUMA group, 0 without one. */
int tackle_numa_group_id(struct task_struct *task);
/* The ID of the task's cgroup in the default hierarchy, as cgroup_id(). Not for the event exit. */
u64 tackle_numa_cgroup_id(struct task_struct *task);
/* Free pages of a node; 0 for a node that is not online. */
unsigned long tackle_numa_free_pages(int node);

#endif
