// SPDX-License-Identifier: GPL-2.0
/*
 * Helpers of the KUnit tests: memory of user space, functions to hook, packets,
 * and a qdisc through which no device sends.
 */

#include <kunit/test.h>
#include <kunit/test-bug.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/kmemleak.h>
#include <linux/mman.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <net/ip.h>
#include <net/net_namespace.h>
#include <net/pkt_sched.h>
#include <net/sch_generic.h>

#if IS_BUILTIN(CONFIG_KUNIT)

/* Maps memory of user space for the current test. Returns 0 on failure. */
unsigned long rust_helper_kunit_user_memory(unsigned long len)
{
	struct kunit *test = kunit_get_current_test();
	unsigned long address;

	if (!test)
		return 0;
	address = kunit_vm_mmap(test, NULL, 0, len, PROT_READ | PROT_WRITE,
				MAP_ANONYMOUS | MAP_PRIVATE, 0);
	return IS_ERR_VALUE(address) ? 0 : address;
}

/* Makes kmemleak ignore an object that a test leaks on purpose. */
void rust_helper_kunit_forget(const void *object)
{
	kmemleak_not_leak(object);
}

/* Returns a message with room for netlink attributes, or NULL. */
struct sk_buff *rust_helper_kunit_alloc_message(u32 room)
{
	return alloc_skb(room, GFP_KERNEL);
}

/* Tests hook these, and only tests call them. */
int rust_helper_kunit_twice(int n)
{
	return 2 * n;
}

int rust_helper_kunit_half(int n)
{
	return n / 2;
}

static atomic_t kunit_packets = ATOMIC_INIT(0);

static void kunit_packet_freed(struct sk_buff *skb)
{
	atomic_dec(&kunit_packets);
}

/* Returns how many packets of rust_helper_kunit_alloc_packet() exist. */
int rust_helper_kunit_packets(void)
{
	return atomic_read(&kunit_packets);
}

/*
 * Returns a packet as __dev_xmit_skb() passes it to a qdisc, or NULL without
 * memory. It is an IPv4 packet with the DS field tos, or has no protocol if tos
 * is negative.
 */
struct sk_buff *rust_helper_kunit_alloc_packet(u32 len, u32 mark, int tos)
{
	struct sk_buff *skb = alloc_skb(max_t(u32, len, sizeof(struct iphdr)), GFP_KERNEL);

	if (!skb)
		return NULL;
	skb_reset_network_header(skb);
	skb_put_zero(skb, max_t(u32, len, sizeof(struct iphdr)));
	if (tos >= 0) {
		struct iphdr *ip = ip_hdr(skb);

		ip->version = 4;
		ip->ihl = sizeof(*ip) / 4;
		ip->tos = tos;
		ip_send_check(ip);
		skb->protocol = htons(ETH_P_IP);
	}
	qdisc_skb_cb(skb)->pkt_len = len;
	qdisc_skb_cb(skb)->pkt_segs = 1;
	skb->mark = mark;
	skb->destructor = kunit_packet_freed;
	atomic_inc(&kunit_packets);
	return skb;
}

u32 rust_helper_kunit_packet_mark(const struct sk_buff *skb)
{
	return skb->mark;
}

/*
 * Creates a qdisc for the loopback device, which does not send packets through
 * it. Returns NULL on failure.
 */
struct Qdisc *rust_helper_kunit_qdisc_create(const struct Qdisc_ops *ops,
					     struct netlink_ext_ack *extack)
{
	struct netdev_queue *queue = netdev_get_tx_queue(init_net.loopback_dev, 0);
	struct Qdisc *sch;

	rtnl_lock();
	sch = qdisc_create_dflt(queue, ops, TC_H_ROOT, extack);
	rtnl_unlock();
	return sch;
}

/* Destroys a qdisc. Its packets are freed when RTNL is released. */
void rust_helper_kunit_qdisc_destroy(struct Qdisc *sch)
{
	rtnl_lock();
	qdisc_put(sch);
	rtnl_unlock();
}

/*
 * Enqueues a packet as dev_qdisc_enqueue() in net/core/dev.c does, with the
 * lock of the qdisc held.
 */
int rust_helper_kunit_qdisc_enqueue(struct Qdisc *sch, struct sk_buff *skb)
{
	struct sk_buff *to_free = NULL;
	int code;

	spin_lock_bh(qdisc_lock(sch));
	code = sch->enqueue(skb, sch, &to_free);
	spin_unlock_bh(qdisc_lock(sch));
	if (to_free)
		kfree_skb_list(to_free);
	return code;
}

struct sk_buff *rust_helper_kunit_qdisc_dequeue(struct Qdisc *sch)
{
	struct sk_buff *skb;

	spin_lock_bh(qdisc_lock(sch));
	skb = qdisc_dequeue_peeked(sch);
	spin_unlock_bh(qdisc_lock(sch));
	return skb;
}

/* Returns the mark of the next packet, or -1 if there is none. */
long rust_helper_kunit_qdisc_peek(struct Qdisc *sch)
{
	struct sk_buff *skb;
	long mark = -1;

	spin_lock_bh(qdisc_lock(sch));
	skb = sch->ops->peek(sch);
	if (skb)
		mark = skb->mark;
	spin_unlock_bh(qdisc_lock(sch));
	return mark;
}

int rust_helper_kunit_qdisc_change(struct Qdisc *sch, struct nlattr *options,
				   struct netlink_ext_ack *extack)
{
	int result;

	rtnl_lock();
	result = sch->ops->change ? sch->ops->change(sch, options, extack) : -EOPNOTSUPP;
	rtnl_unlock();
	return result;
}

int rust_helper_kunit_qdisc_dump(struct Qdisc *sch, struct sk_buff *message)
{
	int result;

	rtnl_lock();
	result = sch->ops->dump(sch, message);
	rtnl_unlock();
	return result;
}

/* Resets a qdisc as the kernel does when a device goes down. */
void rust_helper_kunit_qdisc_reset(struct Qdisc *sch)
{
	rtnl_lock();
	spin_lock_bh(qdisc_lock(sch));
	qdisc_reset(sch);
	spin_unlock_bh(qdisc_lock(sch));
	rtnl_unlock();
}

#endif /* CONFIG_KUNIT */
