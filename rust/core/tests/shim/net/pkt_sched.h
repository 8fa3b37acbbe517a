/* SPDX-License-Identifier: GPL-2.0 */
/* A qdisc that is alone in the world, but for a parent that is told of drops. */
#ifndef SHIM_NET_PKT_SCHED_H
#define SHIM_NET_PKT_SCHED_H

#include <linux/list.h>
#include <linux/skbuff.h>
#include <net/gen_stats.h>
#include <net/netlink.h>
#include <uapi/linux/pkt_sched.h>

#define __rcu
#define rcu_dereference_bh(p) (p)
#define TCQ_F_CAN_BYPASS 4
#define TCQ_F_DEQUEUE_DROPS 0x400
#define NET_XMIT_SUCCESS 0
#define NET_XMIT_CN 2
#define __NET_XMIT_STOLEN 0x00010000
#define __NET_XMIT_BYPASS 0x00020000
#define QDISC_CB_PRIV_LEN 20

enum qdisc_drop_reason {
	QDISC_DROP_UNSPEC,
	QDISC_DROP_OVERLIMIT,
	QDISC_DROP_CONGESTED,
};

struct tcf_block;
struct Qdisc;

struct tcmsg {
	u32 tcm_handle;
};

struct qdisc_walker {
	int stop;
	int skip;
	int count;
	int (*fn)(struct Qdisc *sch, unsigned long cl, struct qdisc_walker *walker);
};

struct Qdisc_class_ops {
	struct Qdisc *(*leaf)(struct Qdisc *sch, unsigned long cl);
	unsigned long (*find)(struct Qdisc *sch, u32 classid);
	void (*walk)(struct Qdisc *sch, struct qdisc_walker *walker);
	struct tcf_block *(*tcf_block)(struct Qdisc *sch, unsigned long arg,
				       struct netlink_ext_ack *extack);
	unsigned long (*bind_tcf)(struct Qdisc *sch, unsigned long cl, u32 classid);
	void (*unbind_tcf)(struct Qdisc *sch, unsigned long cl);
	int (*dump)(struct Qdisc *sch, unsigned long cl, struct sk_buff *skb,
		    struct tcmsg *msg);
	int (*dump_stats)(struct Qdisc *sch, unsigned long cl, struct gnet_dump *dump);
};

struct Qdisc_ops {
	const struct Qdisc_class_ops *cl_ops;
	char id[16];
	int priv_size;
	int (*enqueue)(struct sk_buff *skb, struct Qdisc *sch, struct sk_buff **to_free);
	struct sk_buff *(*dequeue)(struct Qdisc *sch);
	struct sk_buff *(*peek)(struct Qdisc *sch);
	int (*init)(struct Qdisc *sch, struct nlattr *opt, struct netlink_ext_ack *extack);
	void (*reset)(struct Qdisc *sch);
	void (*destroy)(struct Qdisc *sch);
	int (*change)(struct Qdisc *sch, struct nlattr *opt,
		      struct netlink_ext_ack *extack);
	int (*dump)(struct Qdisc *sch, struct sk_buff *skb);
	int (*dump_stats)(struct Qdisc *sch, struct gnet_dump *dump);
	struct module *owner;
};

struct Qdisc {
	const struct Qdisc_ops *ops;
	unsigned int flags;
	u32 limit;
	u32 handle;
	u32 mtu;
	bool has_filter;
	struct sk_buff_head gso_skb;
	struct {
		u32 qlen;
	} q;
	struct gnet_stats_basic_sync bstats;
	struct gnet_stats_queue qstats;
	long privdata[];
};

struct qdisc_skb_cb {
	unsigned int pkt_len;
	unsigned char data[QDISC_CB_PRIV_LEN];
};

/* What becomes of packets, and what the parent is told: tests/fq_codel_harness.c. */
void shim_drop(struct sk_buff *skb);
void rtnl_kfree_skbs(struct sk_buff *head, struct sk_buff *tail);
void qdisc_tree_reduce_backlog(struct Qdisc *sch, int n, int len);
int register_qdisc(struct Qdisc_ops *ops);

static inline void unregister_qdisc(struct Qdisc_ops *ops)
{
}

static inline void *qdisc_priv(struct Qdisc *sch)
{
	return sch->privdata;
}

static inline struct Qdisc *qdisc_dev(struct Qdisc *sch)
{
	return sch;
}

static inline u32 psched_mtu(const struct Qdisc *dev)
{
	return dev->mtu;
}

static inline void sch_tree_lock(struct Qdisc *sch)
{
}

static inline void sch_tree_unlock(struct Qdisc *sch)
{
}

static inline struct qdisc_skb_cb *qdisc_skb_cb(const struct sk_buff *skb)
{
	return (struct qdisc_skb_cb *)skb->cb;
}

static inline void qdisc_cb_private_validate(const struct sk_buff *skb, int size)
{
}

static inline u32 qdisc_pkt_len(const struct sk_buff *skb)
{
	return qdisc_skb_cb(skb)->pkt_len;
}

static inline void qdisc_qlen_inc(struct Qdisc *sch)
{
	sch->q.qlen++;
}

static inline void qdisc_qlen_dec(struct Qdisc *sch)
{
	sch->q.qlen--;
}

static inline void qstats_backlog_sub(struct Qdisc *sch, u32 len)
{
	sch->qstats.backlog -= len;
}

static inline void qdisc_qstats_backlog_dec(struct Qdisc *sch, const struct sk_buff *skb)
{
	sch->qstats.backlog -= qdisc_pkt_len(skb);
}

static inline void qdisc_qstats_backlog_inc(struct Qdisc *sch, const struct sk_buff *skb)
{
	sch->qstats.backlog += qdisc_pkt_len(skb);
}

static inline void __qdisc_qstats_drop(struct Qdisc *sch, int count)
{
	sch->qstats.drops += count;
}

static inline void qdisc_qstats_drop(struct Qdisc *sch)
{
	sch->qstats.drops++;
}

static inline void qdisc_bstats_update(struct Qdisc *sch, const struct sk_buff *skb)
{
	sch->bstats.bytes += qdisc_pkt_len(skb);
	sch->bstats.packets++;
}

static inline void tcf_set_qdisc_drop_reason(struct sk_buff *skb,
					     enum qdisc_drop_reason reason)
{
	skb->drop_reason = reason;
}

static inline void __qdisc_drop(struct sk_buff *skb, struct sk_buff **to_free)
{
	shim_drop(skb);
}

static inline void qdisc_dequeue_drop(struct Qdisc *sch, struct sk_buff *skb,
				      enum qdisc_drop_reason reason)
{
	tcf_set_qdisc_drop_reason(skb, reason);
	shim_drop(skb);
}

static inline struct sk_buff *qdisc_dequeue_internal(struct Qdisc *sch, bool direct)
{
	struct sk_buff *skb = __skb_dequeue(&sch->gso_skb);

	if (!skb)
		return sch->ops->dequeue(sch);
	qdisc_qlen_dec(sch);
	qdisc_qstats_backlog_dec(sch, skb);
	return skb;
}

static inline bool tc_qdisc_stats_dump(struct Qdisc *sch, unsigned long cl,
				       struct qdisc_walker *walker)
{
	if (walker->count >= walker->skip && walker->fn(sch, cl, walker) < 0) {
		walker->stop = 1;
		return false;
	}
	walker->count++;
	return true;
}

#endif
