// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's FQ-CoDel as a program: events on stdin, an answer on stdout for
 * each. tests/fq_codel_diff.rs writes the one and compares the other with what
 * the Rust implementation does. All numbers are 32-bit words, in the order of
 * bytes of the machine; an answer starts with the count of its words.
 *
 * An event is a word of enum event, and then:
 *
 *   NEW	MTU HANDLE HAS_FILTER OPTIONS
 *			a new qdisc; answer: the error, the options
 *   CHANGE	OPTIONS	answer: the error, the options, what happened
 *   ENQUEUE	NS NS_HIGH LEN TRUESIZE WMEM DSFIELD HASH PRIORITY VERDICT CLASSID
 *			answer: the return code, what happened
 *   DEQUEUE	NS NS_HIGH
 *   PEEK	NS NS_HIGH
 *			answer: the packet, its DS field, what happened
 *   RESET		answer: what happened
 *   CLASSES	NS NS_HIGH
 *			answer: the statistics, all flows, and the lists of flows
 *
 * OPTIONS is a word with a bit for each attribute that is there, and then the
 * values of all of them. "What happened" is what_happened().
 */
#include <stdio.h>
#include <stdlib.h>

#include <net/sched/sch_fq_codel.c>

enum event { NEW, CHANGE, ENQUEUE, DEQUEUE, PEEK, RESET, CLASSES };

/* What happens to a packet that is not sent, besides the reasons for drops. */
#define DISCARDED 3
#define NO_PACKET 0xffffffff

u64 shim_ns;

static struct Qdisc_ops *ops;
static struct Qdisc *sch;
static u32 next_id;

/* The words of the answer. */
static u32 *answer;
static size_t answer_len, answer_size;

/* The packets that were not sent, of which each is a word here. */
static u32 *gone;
static size_t gone_len, gone_size;

/* What the parent was told. */
static struct {
	u32 called;
	s32 packets;
	s32 len;
	u32 drops;
	u32 emptied;
} reduced;

static void append(u32 **words, size_t *len, size_t *size, u32 word)
{
	if (*len == *size) {
		*size = 2 * *size + 1024;
		*words = realloc(*words, *size * sizeof(word));
		if (!*words)
			exit(1);
	}
	(*words)[(*len)++] = word;
}

void shim_say(u32 word)
{
	append(&answer, &answer_len, &answer_size, word);
}

static void lose(struct sk_buff *skb, u32 how)
{
	append(&gone, &gone_len, &gone_size, skb->id << 2 | how);
	free(skb);
}

void shim_drop(struct sk_buff *skb)
{
	lose(skb, skb->drop_reason);
}

void rtnl_kfree_skbs(struct sk_buff *head, struct sk_buff *tail)
{
	while (head) {
		struct sk_buff *next = head == tail ? NULL : head->next;

		lose(head, DISCARDED);
		head = next;
	}
}

/*
 * The kernel takes the numbers off those of all parents, counts drops there, and
 * tells them if the qdisc has become empty.
 */
void qdisc_tree_reduce_backlog(struct Qdisc *sch, int n, int len)
{
	reduced.called = 1;
	reduced.packets += n;
	reduced.len += len;
	reduced.drops += n > 0 ? n : 0;
	reduced.emptied |= !sch->q.qlen;
}

int register_qdisc(struct Qdisc_ops *new_ops)
{
	ops = new_ops;
	return 0;
}

static u32 flow_index(const struct list_head *list)
{
	struct fq_codel_sched_data *q = qdisc_priv(sch);

	if (list_empty(list))
		return NO_PACKET;
	return list_first_entry(list, struct fq_codel_flow, flowchain) - q->flows;
}

static void what_happened(void)
{
	struct fq_codel_sched_data *q = qdisc_priv(sch);

	shim_say(gone_len);
	for (size_t i = 0; i < gone_len; i++)
		shim_say(gone[i]);
	gone_len = 0;
	shim_say(reduced.called);
	shim_say(reduced.packets);
	shim_say(reduced.len);
	shim_say(reduced.drops);
	shim_say(reduced.emptied);
	memset(&reduced, 0, sizeof(reduced));
	shim_say(sch->q.qlen);
	shim_say(sch->qstats.backlog);
	shim_say(sch->qstats.drops);
	shim_say(sch->bstats.packets);
	shim_say(sch->bstats.bytes);
	shim_say(q->cstats.maxpacket);
	shim_say(q->drop_overlimit);
	shim_say(q->cstats.ecn_mark);
	shim_say(q->new_flow_count);
	shim_say(q->cstats.ce_mark);
	shim_say(q->memory_usage);
	shim_say(q->drop_overmemory);
	shim_say(flow_index(&q->new_flows));
	shim_say(flow_index(&q->old_flows));
}

static u32 word(void)
{
	u32 value;

	if (fread(&value, sizeof(value), 1, stdin) != 1) {
		fprintf(stderr, "fq_codel_harness: a word is missing\n");
		exit(1);
	}
	return value;
}

static void set_clock(void)
{
	shim_ns = word();
	shim_ns |= (u64)word() << 32;
}

static struct nlattr *options(void)
{
	static struct nlattr table[TCA_FQ_CODEL_MAX + 1];
	u32 there = word();

	for (int i = 1; i <= TCA_FQ_CODEL_MAX; i++) {
		table[i].there = there >> i & 1;
		table[i].value = word();
	}
	return table;
}

/* As qdisc_reset() does. */
static void reset(void)
{
	struct sk_buff *skb;

	ops->reset(sch);
	skb = __skb_dequeue(&sch->gso_skb);
	if (skb)
		lose(skb, DISCARDED);
	sch->q.qlen = 0;
	sch->qstats.backlog = 0;
}

static void create(void)
{
	if (sch) {
		reset();
		gone_len = 0;
		ops->destroy(sch);
		free(sch);
	}
	sch = calloc(1, sizeof(*sch) + ops->priv_size);
	if (!sch)
		exit(1);
	sch->ops = ops;
	next_id = 0;
	sch->mtu = word();
	sch->handle = word();
	sch->has_filter = word();
	shim_say(ops->init(sch, options(), NULL));
	ops->dump(sch, NULL);
	/* Nobody is the parent of a new qdisc yet. */
	memset(&reduced, 0, sizeof(reduced));
}

static void enqueue(void)
{
	struct sk_buff *skb = calloc(1, sizeof(*skb));
	struct sk_buff *to_free = NULL;

	if (!skb)
		exit(1);
	set_clock();
	skb->id = next_id++;
	qdisc_skb_cb(skb)->pkt_len = word();
	skb->truesize = word();
	skb->wmem = word();
	skb->dsfield = word();
	skb->hash = word();
	skb->priority = word();
	skb->verdict = word();
	skb->classid = word();
	shim_say(ops->enqueue(skb, sch, &to_free));
}

static void say_packet(const struct sk_buff *skb)
{
	shim_say(skb ? skb->id : NO_PACKET);
	shim_say(skb ? skb->dsfield : 0);
}

/* As qdisc_dequeue_peeked() does. */
static void dequeue(void)
{
	struct sk_buff *skb = __skb_dequeue(&sch->gso_skb);

	if (skb) {
		qdisc_qlen_dec(sch);
		qdisc_qstats_backlog_dec(sch, skb);
	} else {
		skb = ops->dequeue(sch);
	}
	say_packet(skb);
	free(skb);
}

static void say_list(const struct list_head *list)
{
	struct fq_codel_sched_data *q = qdisc_priv(sch);
	const struct list_head *pos;

	list_for_each(pos, list)
		shim_say(container_of(pos, struct fq_codel_flow, flowchain) - q->flows);
	shim_say(NO_PACKET);
}

static int say_class(struct Qdisc *sch, unsigned long cl, struct qdisc_walker *walker)
{
	shim_say(cl);
	return 0;
}

static void classes(void)
{
	struct fq_codel_sched_data *q = qdisc_priv(sch);
	struct qdisc_walker walker = { .fn = say_class };

	ops->dump_stats(sch, NULL);
	for (u32 cl = 1; cl <= q->flows_cnt; cl++)
		ops->cl_ops->dump_stats(sch, cl, NULL);
	ops->cl_ops->walk(sch, &walker);
	say_list(&q->new_flows);
	say_list(&q->old_flows);
}

static void handle(enum event event)
{
	switch (event) {
	case NEW:
		create();
		break;
	case CHANGE:
		shim_say(ops->change(sch, options(), NULL));
		ops->dump(sch, NULL);
		what_happened();
		break;
	case ENQUEUE:
		enqueue();
		what_happened();
		break;
	case DEQUEUE:
		set_clock();
		dequeue();
		what_happened();
		break;
	case PEEK:
		set_clock();
		say_packet(ops->peek(sch));
		what_happened();
		break;
	case RESET:
		reset();
		what_happened();
		break;
	case CLASSES:
		set_clock();
		classes();
		break;
	default:
		fprintf(stderr, "fq_codel_harness: unknown event %u\n", event);
		exit(1);
	}
}

int main(void)
{
	u32 event;

	shim_init();
	while (fread(&event, sizeof(event), 1, stdin) == 1) {
		u32 len;

		answer_len = 0;
		handle(event);
		len = answer_len;
		if (fwrite(&len, sizeof(len), 1, stdout) != 1 ||
		    fwrite(answer, sizeof(*answer), len, stdout) != len)
			return 1;
	}
	return 0;
}
