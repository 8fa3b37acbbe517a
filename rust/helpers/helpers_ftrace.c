// SPDX-License-Identifier: GPL-2.0
/*
 * As helpers.c, for what stands on ftrace: these are part of tackle_ftrace.ko.
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
