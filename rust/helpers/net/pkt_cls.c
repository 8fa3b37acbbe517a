// SPDX-License-Identifier: GPL-2.0

#include <net/pkt_cls.h>

int rust_helper_tcf_block_get(struct tcf_block **p_block,
			      struct tcf_proto __rcu **p_filter_chain,
			      struct Qdisc *q, struct netlink_ext_ack *extack)
{
	return tcf_block_get(p_block, p_filter_chain, q, extack);
}

void rust_helper_tcf_block_put(struct tcf_block *block)
{
	tcf_block_put(block);
}

int rust_helper_tcf_classify_qdisc(struct sk_buff *skb, const struct tcf_proto *tp,
				   struct tcf_result *res, bool compat_mode)
{
	return tcf_classify_qdisc(skb, tp, res, compat_mode);
}
