// SPDX-License-Identifier: GPL-2.0

#include <linux/skbuff.h>

void rust_helper___skb_queue_head(struct sk_buff_head *list, struct sk_buff *skb)
{
	__skb_queue_head(list, skb);
}

struct sk_buff *rust_helper___skb_dequeue(struct sk_buff_head *list)
{
	return __skb_dequeue(list);
}
