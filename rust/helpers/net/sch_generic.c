// SPDX-License-Identifier: GPL-2.0

#include <net/sch_generic.h>

struct net_device *rust_helper_qdisc_dev(const struct Qdisc *sch)
{
	return qdisc_dev(sch);
}

void rust_helper_sch_tree_lock(struct Qdisc *sch)
{
	sch_tree_lock(sch);
}

void rust_helper_sch_tree_unlock(struct Qdisc *sch)
{
	sch_tree_unlock(sch);
}

int rust_helper_qdisc_drop_reason(struct sk_buff *skb, struct Qdisc *sch,
				  struct sk_buff **to_free,
				  enum qdisc_drop_reason reason)
{
	return qdisc_drop_reason(skb, sch, to_free, reason);
}

void rust_helper___qdisc_drop(struct sk_buff *skb, struct sk_buff **to_free)
{
	__qdisc_drop(skb, to_free);
}

void rust_helper_qdisc_reset_queue(struct Qdisc *sch)
{
	qdisc_reset_queue(sch);
}
