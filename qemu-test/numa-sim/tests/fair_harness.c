// SPDX-License-Identifier: GPL-2.0
/*
 * Runs the NUMA balancing of kernel/sched/fair.c on machines from standard input, to compare it
 * with the model. build.rs cuts the code out of the kernel source into fair_numa.c, without
 * changes. This file replaces the rest of the kernel.
 *
 * Input and output are 64-bit numbers. For each case, the input has the machine and one call, in
 * the order of read_machine() and main(). The output has the values that the call has changed.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NODES 64
#define MAX_CPUS 64

typedef uint64_t u64;
typedef int64_t s64;
typedef int refcount_t;
typedef int spinlock_t;
typedef int pid_t;
struct rcu_head { int unused; };

#define CONFIG_NUMA
#define CONFIG_NUMA_BALANCING
#define __context_unsafe(x)
#define __maybe_unused __attribute__((unused))
#define __rcu
#define __read_mostly
#define unlikely(x) (x)
#define READ_ONCE(x) (x)
#define WRITE_ONCE(x, v) ((x) = (v))
#define xchg(p, v) ({ __typeof__(*(p)) old = *(p); *(p) = (v); old; })
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define max_t(t, a, b) ((t)(a) > (t)(b) ? (t)(a) : (t)(b))
#define clamp(v, lo, hi) min(max(v, lo), hi)
#define abs(x) ({ long v = (x); v < 0 ? -v : v; })
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define round_up(n, d) (DIV_ROUND_UP(n, d) * (d))
#define div64_u64(a, b) ((a) / (b))
#define rcu_read_lock()
#define rcu_read_unlock()
#define rcu_dereference_all(p) (p)
#define rcu_dereference_check(p, c) (p)
#define rcu_dereference_protected(p, c) (p)
#define lockdep_is_held(l) 1
#define spin_lock_irq(l) ((void)(l))
#define spin_unlock_irq(l) ((void)(l))
#define refcount_read(r) (*(r))
#define static_branch_likely(x) 1
#define trace_sched_stick_numa(...)
#define EINVAL 22
#define EAGAIN 11
#define HZ 250
#define MSEC_PER_SEC 1000L
#define PAGE_SHIFT 12
#define MB_TO_PAGES(mb) ((mb) << (20 - PAGE_SHIFT))
#define LOAD_AVG_MAX 47742
#define PF_EXITING 4
#define PF_KTHREAD 0x200000
#define NUMA_NO_NODE (-1)
#define LOCAL_DISTANCE 10

/* Nodes */

enum numa_topology_type { NUMA_DIRECT, NUMA_GLUELESS_MESH, NUMA_BACKPLANE };
enum node_states { N_MEMORY, N_CPU };
typedef struct { u64 bits; } nodemask_t;

static int nr_node_ids;
static int distances[MAX_NODES][MAX_NODES];
static int sched_max_numa_distance;
static enum numa_topology_type sched_numa_topology_type;
static nodemask_t node_states[2];

#define NODE_MASK_NONE ((nodemask_t) { 0 })
#define nodes_clear(m) ((m).bits = 0)
#define node_set(n, m) ((m).bits |= 1ULL << (n))
#define node_clear(n, m) ((m).bits &= ~(1ULL << (n)))
#define node_in(n, m) ((m).bits >> (n) & 1)
#define node_state(n, s) node_in(n, node_states[s])
#define for_each_node_mask(n, m) for ((n) = 0; (n) < nr_node_ids; (n)++) if (node_in(n, m))
#define for_each_node_state(n, s) for_each_node_mask(n, node_states[s])
#define for_each_online_node(n) for ((n) = 0; (n) < nr_node_ids; (n)++)
#define node_distance(a, b) (distances[a][b])
#define node_is_toptier(n) 1

static bool find_numa_distance(int distance)
{
	for (int a = 0; a < nr_node_ids; a++)
		for (int b = 0; b < nr_node_ids; b++)
			if (node_state(a, N_CPU) && node_state(b, N_CPU) && distances[a][b] == distance)
				return true;
	return false;
}

static int numa_nearest_node(int node, unsigned int state)
{
	int best = node, least = INT_MAX;

	if (node == NUMA_NO_NODE || node_state(node, state))
		return node;
	for (int other = 0; other < nr_node_ids; other++) {
		if (node_state(other, state) && distances[node][other] < least) {
			least = distances[node][other];
			best = other;
		}
	}
	return best;
}

/* CPUs */

struct cpumask { u64 bits; };
typedef struct cpumask *cpumask_var_t;
struct task_struct;
struct rq {
	struct task_struct *curr;
	unsigned int nr_running;
	struct { unsigned int h_nr_runnable; } cfs;
	unsigned int numa_migrate_on;
	unsigned long load, runnable, util;
	unsigned int nr_numa_running, nr_preferred_running;
	int cpu;
};
struct sched_domain { unsigned int imbalance_pct, imb_numa_nr; };

static unsigned int nr_cpu_ids;
static struct rq rqs[MAX_CPUS];
static int cpu_nodes[MAX_CPUS];
static struct cpumask node_cpus[MAX_NODES];
static struct sched_domain numa_domain;
#define cpu_rq(cpu) (&rqs[cpu])
#define cpu_to_node(cpu) (cpu_nodes[cpu])
#define cpumask_of_node(n) (&node_cpus[n])
#define cpumask_test_cpu(cpu, m) ((m)->bits >> (cpu) & 1)
#define cpumask_weight(m) __builtin_popcountll((m)->bits)
#define for_each_cpu(cpu, m) \
	for ((cpu) = 0; (cpu) < (int)nr_cpu_ids; (cpu)++) if (cpumask_test_cpu(cpu, m))
#define for_each_cpu_and(cpu, m, n) for_each_cpu(cpu, m) if (cpumask_test_cpu(cpu, n))
/* Iterates like the kernel's macro, from `start` to the end and then from the beginning. */
#define for_each_cpu_wrap(cpu, m, start) \
	for (int turn = 0; turn < (int)nr_cpu_ids; turn++) \
		if ((cpu) = ((start) + turn) % (int)nr_cpu_ids, cpumask_test_cpu(cpu, m))
#define per_cpu(name, cpu) (&numa_domain)
#define sched_smt_active() 0
#define idle_cpu(cpu) (!rqs[cpu].nr_running)
#define capacity_of(cpu) 1024UL
#define is_core_idle(cpu) 0
#define cpu_util_cfs(cpu) (rqs[cpu].util)

/* Tasks */

enum numa_faults_stats { NUMA_MEM = 0, NUMA_CPU, NUMA_MEMBUF, NUMA_CPUBUF };
struct mm_struct { int numa_scan_seq; unsigned long numa_next_scan, rss; };
struct numa_group;
struct task_struct {
	struct mm_struct *mm;
	unsigned int flags;
	int pid, cpu;
	struct cpumask *cpus_ptr, mask;
	int on_cpu;
	unsigned long h_load;
	struct { u64 exec_start, sum_exec_runtime; struct { u64 load_sum; } avg; } se;
	int numa_scan_seq;
	unsigned int numa_scan_period, numa_scan_period_max;
	int numa_preferred_nid;
	unsigned long numa_migrate_retry;
	u64 last_task_numa_placement, last_sum_exec_runtime;
	struct numa_group *numa_group;
	unsigned long *numa_faults;
	unsigned long total_numa_faults;
	unsigned long numa_faults_locality[3];
	unsigned long numa_pages_migrated;
};
static unsigned long jiffies = 1000;
static struct task_struct *current;
#define task_cpu(p) ((p)->cpu)
#define task_node(p) (cpu_nodes[(p)->cpu])
#define task_rq(p) (&rqs[(p)->cpu])
#define __rq_lockp(rq) (rq)
#define task_h_load(p) ((p)->h_load)
#define get_task_struct(p) ((void)(p))
#define put_task_struct(p) ((void)(p))
#define msecs_to_jiffies(ms) ((ms) / (1000 / HZ))
#define get_mm_rss(mm) ((mm)->rss)
static unsigned long cpu_load(struct rq *rq);
static unsigned long cpu_runnable(struct rq *rq);

static int moved_to, swapped_with;

static void sched_setnuma(struct task_struct *p, int nid)
{
	p->numa_preferred_nid = nid;
}

static int migrate_task_to(struct task_struct *p, int cpu)
{
	moved_to = cpu;
	return 0;
}

static int migrate_swap(struct task_struct *p, struct task_struct *other, int cpu, int back)
{
	moved_to = cpu;
	swapped_with = other->pid;
	return 0;
}

/* Pages */

struct folio { int last_cpupid; };
struct zone { int unused; };
struct pglist_data {
	struct zone node_zones[1];
	int nr_zones;
	unsigned long node_present_pages;
	unsigned int nbp_rl_start, nbp_th_start, nbp_threshold;
	unsigned long nbp_rl_nr_cand, nbp_th_nr_cand;
};
enum { PGPROMOTE_CANDIDATE, PGPROMOTE_CANDIDATE_NRL, ZONE_MOVABLE };
static struct pglist_data pgdat0;
static unsigned int sysctl_numa_balancing_mode = 1;
static unsigned int sysctl_numa_balancing_promote_rate_limit = 65536;
#define NUMA_BALANCING_MEMORY_TIERING 2
#define PAGE_ACCESS_TIME_MASK 0xffff
#define NODE_DATA(n) (&pgdat0)
#define populated_zone(z) 0
#define zone_watermark_ok(...) 0
#define promo_wmark_pages(z) 0
#define jiffies_to_msecs(j) ((j) * (1000 / HZ))
#define folio_xchg_access_time(f, t) 0
#define mod_node_page_state(...)
#define node_page_state(...) 0UL
#define cmpxchg(p, o, n) (*(p))
#define folio_use_access_time(f) 0
#define folio_nr_pages(f) 1
#define PID_MASK 0xffff
#define cpu_pid_to_cpupid(cpu, pid) ((cpu) << 16 | ((pid) & PID_MASK))
#define cpupid_to_cpu(c) ((unsigned int)(c) >> 16)
#define cpupid_to_nid(c) (cpu_nodes[cpupid_to_cpu(c)])
#define cpupid_pid_unset(c) (((c) & PID_MASK) == PID_MASK)
#define cpupid_match_pid(p, c) (((c) & PID_MASK) == ((p)->pid & PID_MASK))
#define folio_xchg_last_cpupid(f, c) xchg(&(f)->last_cpupid, c)

#include "fair_numa.c"

static unsigned long cpu_load(struct rq *rq) { return rq->load; }
static unsigned long cpu_runnable(struct rq *rq) { return rq->runnable; }
static inline bool test_idle_cores(int cpu) { return false; }

/* The protocol */

#define MAX_TASKS 256
static struct task_struct tasks[MAX_TASKS];
static struct mm_struct mms[MAX_TASKS];
static struct numa_group *groups[MAX_TASKS];
static int group_count, task_count;

static s64 read_number(void)
{
	s64 number;

	if (fread(&number, sizeof(number), 1, stdin) != 1)
		exit(3);
	return number;
}

static void write_number(s64 number)
{
	fwrite(&number, sizeof(number), 1, stdout);
}

static void read_machine(void)
{
	nr_node_ids = read_number();
	for (int a = 0; a < nr_node_ids; a++)
		for (int b = 0; b < nr_node_ids; b++)
			distances[a][b] = read_number();
	sched_max_numa_distance = read_number();
	sched_numa_topology_type = read_number();
	node_states[N_MEMORY].bits = read_number();
	numa_domain.imbalance_pct = read_number();
	numa_domain.imb_numa_nr = read_number();
	group_count = read_number();
	for (int i = 0; i < group_count; i++) {
		struct numa_group *ng;

		free(groups[i]);
		ng = calloc(1, sizeof(*ng) + sizeof(long) * 4 * nr_node_ids);
		groups[i] = ng;
		ng->refcount = ng->nr_tasks = read_number();
		ng->active_nodes = read_number();
		ng->max_faults_cpu = read_number();
		ng->total_faults = read_number();
		for (int j = 0; j < 4 * nr_node_ids; j++)
			ng->faults[j] = read_number();
	}
	task_count = read_number();
	for (int i = 0; i < task_count; i++) {
		struct task_struct *p = &tasks[i];
		int group;

		free(p->numa_faults);
		memset(p, 0, sizeof(*p));
		p->mm = &mms[i];
		p->pid = i;
		p->cpus_ptr = &p->mask;
		p->cpu = read_number();
		p->mask.bits = read_number();
		p->h_load = read_number();
		p->numa_preferred_nid = read_number();
		group = read_number();
		p->numa_group = group < 0 ? NULL : groups[group];
		p->total_numa_faults = read_number();
		p->numa_faults = calloc(8 * nr_node_ids, sizeof(long));
		for (int j = 0; j < 8 * nr_node_ids; j++)
			p->numa_faults[j] = read_number();
		for (int j = 0; j < 3; j++)
			p->numa_faults_locality[j] = read_number();
		p->numa_scan_period = read_number();
		p->numa_scan_seq = read_number();
		mms[i].numa_scan_seq = p->numa_scan_seq + 1;
		mms[i].rss = read_number();
		p->se.sum_exec_runtime = read_number();
		p->last_task_numa_placement = 1;
		p->se.exec_start = 1 + read_number();
	}
	nr_cpu_ids = read_number();
	node_states[N_CPU].bits = 0;
	memset(node_cpus, 0, sizeof(node_cpus));
	for (int i = 0; i < (int)nr_cpu_ids; i++) {
		struct rq *rq = &rqs[i];
		int running;

		memset(rq, 0, sizeof(*rq));
		cpu_nodes[i] = read_number();
		node_cpus[cpu_nodes[i]].bits |= 1ULL << i;
		node_set(cpu_nodes[i], node_states[N_CPU]);
		rq->load = read_number();
		rq->runnable = read_number();
		rq->util = read_number();
		rq->nr_running = rq->cfs.h_nr_runnable = read_number();
		running = read_number();
		rq->curr = running < 0 ? NULL : &tasks[running];
	}
}

static void write_placement(struct task_struct *p)
{
	struct numa_group *ng = p->numa_group;

	write_number(p->numa_preferred_nid);
	write_number(p->total_numa_faults);
	write_number(p->numa_scan_period);
	write_number(p->numa_scan_period_max);
	for (int j = 0; j < 8 * nr_node_ids; j++)
		write_number(p->numa_faults[j]);
	if (!ng)
		return;
	write_number(ng->active_nodes);
	write_number(ng->max_faults_cpu);
	write_number(ng->total_faults);
	for (int j = 0; j < 4 * nr_node_ids; j++)
		write_number(ng->faults[j]);
}

int main(void)
{
	for (;;) {
		int call = read_number();
		struct folio folio;

		if (!call)
			return 0;
		read_machine();
		current = &tasks[read_number()];
		switch (call) {
		case 1:
			moved_to = swapped_with = -1;
			task_numa_migrate(current);
			write_number(moved_to);
			write_number(swapped_with);
			write_number(current->numa_preferred_nid);
			break;
		case 2:
			task_numa_placement(current);
			write_placement(current);
			break;
		case 3: {
			int source = read_number(), cpu = read_number();
			int last_pid = read_number(), last_cpu = read_number();

			folio.last_cpupid = cpu_pid_to_cpupid(last_cpu, last_pid);
			write_number(should_numa_migrate_memory(current, &folio, source, cpu));
			break;
		}
		}
		fflush(stdout);
	}
}
