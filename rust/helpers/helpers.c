// SPDX-License-Identifier: GPL-2.0
/*
 * C wrappers for inline functions and macros, for which bindgen generates no
 * bindings. The wrappers in this file are part of tackle.ko.
 *
 * There is one file per C header, as in the kernel's rust/helpers/. ftrace does
 * not trace the wrappers (Kbuild), because hook handlers call them.
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
/* These are compiled as other objects. */
#include "helpers_ftrace.c"
#include "kunit.c" /* tests hook its functions */
#endif
