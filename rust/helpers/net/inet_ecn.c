// SPDX-License-Identifier: GPL-2.0

#include <net/inet_ecn.h>

int rust_helper_INET_ECN_set_ce(struct sk_buff *skb)
{
	return INET_ECN_set_ce(skb);
}

int rust_helper_skb_get_dsfield(struct sk_buff *skb)
{
	return skb_get_dsfield(skb);
}
