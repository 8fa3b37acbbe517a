/* SPDX-License-Identifier: GPL-2.0 */
/* ECN on the packets of the shim: RFC 3168, section 5. */
#ifndef SHIM_NET_INET_ECN_H
#define SHIM_NET_INET_ECN_H

#include <linux/skbuff.h>

#define SHIM_ECN_MASK 3

static inline int INET_ECN_set_ce(struct sk_buff *skb)
{
	if (skb->dsfield < 0 || !(skb->dsfield & SHIM_ECN_MASK))
		return 0;
	skb->dsfield |= SHIM_ECN_MASK;
	return 1;
}

static inline int skb_get_dsfield(struct sk_buff *skb)
{
	return skb->dsfield;
}

#endif
