/* SPDX-License-Identifier: GPL-2.0 */
/* Statistics go to shim_say(), word by word. */
#ifndef SHIM_NET_GEN_STATS_H
#define SHIM_NET_GEN_STATS_H

#include <net/netlink.h>

struct gnet_dump;

struct gnet_stats_basic_sync {
	u64 bytes;
	u64 packets;
};

struct gnet_stats_queue {
	u32 qlen;
	u32 backlog;
	u32 drops;
};

static inline int gnet_stats_copy_app(struct gnet_dump *dump, void *stats, int len)
{
	for (u32 *word = stats; len > 0; len -= sizeof(*word))
		shim_say(*word++);
	return 0;
}

static inline int gnet_stats_copy_queue(struct gnet_dump *dump, void *cpu,
					struct gnet_stats_queue *stats, u32 qlen)
{
	shim_say(qlen);
	shim_say(stats->backlog);
	return 0;
}

#endif
