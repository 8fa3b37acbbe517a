/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The C headers with declarations that the kernel's own `bindings` crate lacks.
 *
 * bindgen_parameters selects the declarations. The headers are sorted.
 */

#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/cgroup.h>
#include <linux/fprobe.h>
#include <linux/ftrace.h>
#include <linux/gfp_types.h>
#include <linux/glob.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/preempt.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/sched/numa_balancing.h>
#include <linux/skbuff.h>
#include <linux/stacktrace.h>
#include <linux/threads.h>
#include <linux/timekeeping.h>
#include <linux/tracepoint.h>
#include <net/codel.h>
#include <net/dropreason.h>
#include <net/gen_stats.h>
#include <net/netlink.h>
#include <net/pkt_cls.h>
#include <net/pkt_sched.h>
#include <net/sch_generic.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <tackle/fault.h>
#include <tackle/numa.h>

/* The offsets of fields by which Rust code finds the cgroups of a task. */
#ifdef CONFIG_CGROUPS
#define CGROUP_OFFSET(type, member) offsetof(type, member)
#else
#define CGROUP_OFFSET(type, member) 0
#endif
const size_t RUST_CONST_HELPER_CSS_SET_DFL_CGRP = CGROUP_OFFSET(struct css_set, dfl_cgrp);
const size_t RUST_CONST_HELPER_CGROUP_LEVEL = CGROUP_OFFSET(struct cgroup, level);
const size_t RUST_CONST_HELPER_CGROUP_ANCESTORS = CGROUP_OFFSET(struct cgroup, ancestors);

/* Macros that bindgen cannot evaluate. */
const u32 RUST_CONST_HELPER_GFP_NOFAIL = (__force u32)__GFP_NOFAIL;
const size_t RUST_CONST_HELPER_PID_MAX_LIMIT = PID_MAX_LIMIT;
const size_t RUST_CONST_HELPER_KSYM_SYMBOL_LEN = KSYM_SYMBOL_LEN;
const unsigned long RUST_CONST_HELPER_HARDIRQ_MASK = HARDIRQ_MASK;
const unsigned long RUST_CONST_HELPER_NMI_MASK = NMI_MASK;
const unsigned long RUST_CONST_HELPER_PREEMPT_MASK = PREEMPT_MASK;
const unsigned long RUST_CONST_HELPER_SOFTIRQ_OFFSET = SOFTIRQ_OFFSET;

#ifdef CONFIG_NUMA_BALANCING
const size_t RUST_CONST_HELPER_LAST_CPUPID_MASK = LAST_CPUPID_MASK;
const size_t RUST_CONST_HELPER_LAST__PID_SHIFT = LAST__PID_SHIFT;
const size_t RUST_CONST_HELPER_LAST__PID_MASK = LAST__PID_MASK;
const size_t RUST_CONST_HELPER_LAST__CPU_MASK = LAST__CPU_MASK;
#endif

/* rust/helpers/ftrace.c */
DECLARE_PER_CPU(u8[4], tackle_ftrace_active);
