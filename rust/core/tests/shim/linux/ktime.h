/* SPDX-License-Identifier: GPL-2.0 */
/* A clock that stands where the trace puts it. */
#ifndef SHIM_LINUX_KTIME_H
#define SHIM_LINUX_KTIME_H

#include <linux/types.h>

#define NSEC_PER_USEC 1000L
#define NSEC_PER_MSEC 1000000L

#define do_div(n, base)                         \
	({                                      \
		u32 rest = (n) % (u32)(base);   \
		(n) /= (u32)(base);             \
		rest;                           \
	})

extern u64 shim_ns;

static inline u64 ktime_get_ns(void)
{
	return shim_ns;
}

#endif
