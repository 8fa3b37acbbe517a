// SPDX-License-Identifier: GPL-2.0

#include <linux/cgroup.h>
#include <linux/cpumask.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/nodemask.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/sched/isolation.h>
#include <linux/sched/numa_balancing.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/spinlock.h>
#include <linux/topology.h>
#include <linux/tracepoint.h>

bool rust_helper_node_online(int node)
{
	return node >= 0 && node < MAX_NUMNODES && node_online(node);
}

unsigned int rust_helper_nr_node_ids(void)
{
	return nr_node_ids;
}

/* Returns -1 if the number is not that of a CPU. */
int rust_helper_cpu_to_node(int cpu)
{
	return cpu >= 0 && cpu < nr_cpu_ids ? cpu_to_node(cpu) : NUMA_NO_NODE;
}

int rust_helper_node_distance(int from, int to)
{
	return node_distance(from, to);
}

unsigned int rust_helper_node_cpus(int node)
{
	return node_online(node) ? cpumask_weight(cpumask_of_node(node)) : 0;
}

unsigned long rust_helper_node_free_pages(int node)
{
	unsigned long pages = 0;
	int zone;

	for (zone = 0; zone < MAX_NR_ZONES; zone++)
		pages += zone_page_state(&NODE_DATA(node)->node_zones[zone], NR_FREE_PAGES);
	return pages;
}

unsigned long rust_helper_node_pages(int node)
{
	return node_present_pages(node);
}

bool rust_helper_node_has_memory(int node)
{
	return node_state(node, N_MEMORY);
}

/* Calls visit() with each thread, in an RCU read section. */
void rust_helper_each_thread(void (*visit)(struct task_struct *task, void *data), void *data)
{
	struct task_struct *process, *thread;

	rcu_read_lock();
	for_each_process_thread(process, thread)
		visit(thread, data);
	rcu_read_unlock();
}

int rust_helper_task_node(struct task_struct *task)
{
	return cpu_to_node(task_cpu(task));
}

/*
 * Returns SCHED_CAPACITY_SCALE for a task that always runs or waits for its
 * CPU, and 0 for a task that sleeps.
 */
unsigned int rust_helper_task_runnable_load(struct task_struct *task)
{
	return READ_ONCE(task->on_rq) ? READ_ONCE(task->se.avg.runnable_avg) : 0;
}

/*
 * Returns the number of resident pages in the task's address space, divided by
 * the number of its threads.
 */
unsigned long rust_helper_task_rss_share(struct task_struct *task)
{
	unsigned long pages = 0;

	task_lock(task);
	if (task->mm && !(task->flags & PF_KTHREAD))
		pages = get_mm_rss(task->mm) / max(get_nr_threads(task), 1);
	task_unlock(task);
	return pages;
}

unsigned int rust_helper_task_threads(struct task_struct *task)
{
	return get_nr_threads(task);
}

/* As task_may_run_on(), without a lock: for tasks that have an address space. */
bool rust_helper_task_can_run_on(struct task_struct *task, int node)
{
	return node_online(node) &&
	       cpumask_intersects(READ_ONCE(task->cpus_ptr), cpumask_of_node(node));
}

/* The caller is in an RCU read section. */
u64 rust_helper_task_cgroup_id(struct task_struct *task)
{
#ifdef CONFIG_CGROUPS
	return cgroup_id(task_dfl_cgroup(task));
#else
	return 0;
#endif
}

bool rust_helper_in_task(void)
{
	return in_task();
}

bool rust_helper_process_lives(struct task_struct *task)
{
	return atomic_read(&task->signal->live) != 0;
}

/*
 * Returns 0, -ESRCH if the task has no address space, or -EPERM if it may not
 * run on any CPU of the node.
 */
int rust_helper_task_may_run_on(struct task_struct *task, int node)
{
	int err = 0;

	task_lock(task);
	if (!task->mm || (task->flags & PF_KTHREAD))
		err = -ESRCH;
	else if (!cpumask_intersects(task->cpus_ptr, cpumask_of_node(node)))
		err = -EPERM;
	task_unlock(task);
	return err;
}

/*
 * The first CPU of the node behind `cpu` on which the task may run and that is not isolated from
 * load balancing; -1 if there is none.
 */
int rust_helper_next_cpu_of(struct task_struct *task, int node, int cpu)
{
	do {
		cpu = cpumask_next_and(cpu, READ_ONCE(task->cpus_ptr), cpumask_of_node(node));
		if (cpu >= nr_cpu_ids)
			return -1;
	} while (!housekeeping_cpu(cpu, HK_TYPE_DOMAIN));
	return cpu;
}

#ifdef CONFIG_NUMA_BALANCING
int rust_helper_folio_nid(void *folio)
{
	return folio_nid(folio);
}

unsigned int rust_helper_folio_order(void *folio)
{
	return folio_order(folio);
}

/*
 * Returns whether the task has the last hinting fault on the folio. Compares
 * only the bits of its ID that the kernel records.
 */
bool rust_helper_folio_accessed_by(void *folio, struct task_struct *task)
{
	int cpupid = folio_last_cpupid(folio);

	return !cpupid_pid_unset(cpupid) &&
	       cpupid_to_pid(cpupid) == (task->pid & LAST__PID_MASK);
}

bool rust_helper_folio_is_dirty_file(void *folio)
{
	return folio_is_file_lru(folio) && folio_test_dirty(folio);
}

bool rust_helper_folio_test_lru(void *folio)
{
	return folio_test_lru(folio);
}

bool rust_helper_folio_maybe_dma_pinned(void *folio)
{
	return folio_maybe_dma_pinned(folio);
}

/*
 * Returns the ID of the cgroup in the default hierarchy that the folio is
 * charged to, or 0.
 */
u64 rust_helper_folio_cgroup_id(void *folio)
{
#ifdef CONFIG_MEMCG
	struct mem_cgroup *memcg;
	u64 id = 0;

	rcu_read_lock();
	memcg = folio_memcg(folio);
	/* Another hierarchy has IDs of its own. */
	if (memcg && memcg->css.cgroup->root == &cgrp_dfl_root)
		id = cgroup_id(memcg->css.cgroup);
	rcu_read_unlock();
	return id;
#else
	return 0;
#endif
}

/*
 * Whether task_numa_work() returns early because the memory of current is
 * allowed on one node only.
 */
bool rust_helper_one_node_allowed(void)
{
#ifdef CONFIG_CPUSETS
	return nodes_weight(current->mems_allowed) == 1;
#else
	return false;
#endif
}
#endif

/* Waits until no CPU runs a probe that was unregistered. */
void rust_helper_tracepoint_synchronize_unregister(void)
{
	tracepoint_synchronize_unregister();
}

void rust_helper_raw_spin_lock_init(raw_spinlock_t *lock, const char *name,
				    struct lock_class_key *key)
{
#ifdef CONFIG_DEBUG_SPINLOCK
	__raw_spin_lock_init(lock, name, key, LD_WAIT_SPIN);
#else
	raw_spin_lock_init(lock);
#endif
}

void rust_helper_raw_spin_lock_irq_disable(raw_spinlock_t *lock)
{
	raw_spin_lock_irq_disable(lock);
}

int rust_helper_raw_spin_trylock_irq_disable(raw_spinlock_t *lock)
{
	return raw_spin_trylock_irq_disable(lock);
}

void rust_helper_raw_spin_unlock_irq_enable(raw_spinlock_t *lock)
{
	raw_spin_unlock_irq_enable(lock);
}

void rust_helper_raw_spin_assert_is_held(raw_spinlock_t *lock)
{
	lockdep_assert_held(lock);
}
