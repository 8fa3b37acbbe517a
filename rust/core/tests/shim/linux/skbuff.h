/* SPDX-License-Identifier: GPL-2.0 */
/* A packet with no more than what CoDel looks at. */
#ifndef SHIM_LINUX_SKBUFF_H
#define SHIM_LINUX_SKBUFF_H

#include <linux/types.h>

struct sk_buff {
	struct sk_buff *next;
	u32 id;
	u32 len;
	u32 enqueue_time;
	/* The DS field, or -1: not an IP packet. */
	int dsfield;
};

#endif
