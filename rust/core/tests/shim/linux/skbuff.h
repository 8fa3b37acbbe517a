/* SPDX-License-Identifier: GPL-2.0 */
/* A packet with no more than what CoDel and FQ-CoDel look at. */
#ifndef SHIM_LINUX_SKBUFF_H
#define SHIM_LINUX_SKBUFF_H

#include <linux/types.h>

struct sk_buff {
	struct sk_buff *next;
	u32 id;
	u32 len;
	u32 enqueue_time;
	/* The DS field, or -1: not an IP packet. */
	int dsfield;
	u32 hash;
	u32 priority;
	u32 truesize;
	/* Whether its socket is charged for its memory. */
	bool wmem;
	/* What the filter, if there is one, says of the packet. */
	int verdict;
	u32 classid;
	u32 drop_reason;
	char cb[48] __attribute__((aligned(8)));
};

/* There is never more than one packet in it. */
struct sk_buff_head {
	struct sk_buff *first;
};

static inline u32 skb_get_hash(struct sk_buff *skb)
{
	return skb->hash;
}

static inline bool is_skb_wmem(const struct sk_buff *skb)
{
	return skb->wmem;
}

static inline void skb_mark_not_on_list(struct sk_buff *skb)
{
	skb->next = NULL;
}

static inline struct sk_buff *skb_peek(const struct sk_buff_head *list)
{
	return list->first;
}

static inline void __skb_queue_head(struct sk_buff_head *list, struct sk_buff *skb)
{
	list->first = skb;
}

static inline struct sk_buff *__skb_dequeue(struct sk_buff_head *list)
{
	struct sk_buff *skb = list->first;

	list->first = NULL;
	return skb;
}

#endif
