// SPDX-License-Identifier: GPL-2.0
/*
 * C wrappers like those in helpers.c. These are part of tackle_ftrace.ko.
 */

#include "cgroup.c"
#include "fault.c"
#include "ftrace.c"
#include "ftrace-exit.c"
#include "mm.c"
#include "module.c"
#include "numa.c"
#include "percpu.c"
#include "random.c"
#include "sched.c"
#include "sort.c"
