// SPDX-License-Identifier: GPL-2.0

#include <linux/skbuff.h>

struct sk_buff *rust_helper___skb_dequeue(struct sk_buff_head *list)
{
	return __skb_dequeue(list);
}
