// SPDX-License-Identifier: GPL-2.0
/*
 * C wrappers for what bindgen cannot see: inline functions and macros.
 *
 * One file a C header, sorted, as in the kernel's own rust/helpers/. None of them can be
 * traced (Kbuild), since handlers call them.
 */

#include "net/inet_ecn.c"
#include "net/netlink.c"
#include "net/pkt_cls.c"
#include "net/pkt_sched.c"
#include "net/sch_generic.c"
#include "netlink.c"
#include "cgroup.c"
#include "fault-inject.c"
#include "ftrace.c"
#include "ftrace-exit.c"
#ifdef __BINDGEN__
#include "kunit.c" /* an object of its own: tests hook its functions */
#endif
#include "module.c"
#include "numa.c"
#include "percpu.c"
#include "random.c"
#include "sched.c"
#include "skbuff.c"
#include "sort.c"
