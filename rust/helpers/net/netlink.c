// SPDX-License-Identifier: GPL-2.0

#include <net/netlink.h>

int rust_helper_nla_parse_nested_deprecated(struct nlattr *tb[], int maxtype,
					    const struct nlattr *nla,
					    const struct nla_policy *policy,
					    struct netlink_ext_ack *extack)
{
	return nla_parse_nested_deprecated(tb, maxtype, nla, policy, extack);
}

struct nlattr *rust_helper_nla_nest_start_noflag(struct sk_buff *skb, int attrtype)
{
	return nla_nest_start_noflag(skb, attrtype);
}

int rust_helper_nla_nest_end(struct sk_buff *skb, struct nlattr *start)
{
	return nla_nest_end(skb, start);
}

void rust_helper_nla_nest_cancel(struct sk_buff *skb, struct nlattr *start)
{
	nla_nest_cancel(skb, start);
}
