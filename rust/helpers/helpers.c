// SPDX-License-Identifier: GPL-2.0
/*
 * C wrappers for what bindgen cannot see: inline functions and macros. Those here are part of
 * tackle.ko.
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
#include "fault-inject.c"
#include "kthread.c"
#include "skbuff.c"
#ifdef __BINDGEN__
/* objects of their own */
#include "helpers_ftrace.c"
#include "kunit.c" /* tests hook its functions */
#endif
