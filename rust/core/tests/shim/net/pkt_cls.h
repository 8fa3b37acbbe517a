/* SPDX-License-Identifier: GPL-2.0 */
/* A filter that finds its verdict in the packet. */
#ifndef SHIM_NET_PKT_CLS_H
#define SHIM_NET_PKT_CLS_H

#include <net/pkt_sched.h>

#define CONFIG_NET_CLS_ACT 1
#define TC_ACT_SHOT 2
#define TC_ACT_STOLEN 4
#define TC_ACT_QUEUED 5
#define TC_ACT_TRAP 8

struct tcf_proto {
};

struct tcf_block;

struct tcf_result {
	u32 classid;
};

static inline int tcf_classify_qdisc(struct sk_buff *skb, struct tcf_proto *filter,
				     struct tcf_result *res, bool compat)
{
	res->classid = skb->classid;
	return skb->verdict;
}

static inline int tcf_block_get(struct tcf_block **block, struct tcf_proto **filter,
				struct Qdisc *sch, struct netlink_ext_ack *extack)
{
	static struct tcf_proto proto;

	*filter = sch->has_filter ? &proto : NULL;
	return 0;
}

static inline void tcf_block_put(struct tcf_block *block)
{
}

#endif
