// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's CoDel as a program: events on stdin, a line on stdout for each
 * event that has an answer. tests/codel_diff.rs writes the one and compares the
 * other with what the Rust implementation does. All numbers are decimal.
 *
 *   r				start anew: no packets, state and counts zero
 *   p TARGET INTERVAL CE_THRESHOLD MTU ECN MASK SELECTOR
 *				set the parameters
 *   v COUNT LASTCOUNT DROPPING REC_INV_SQRT FIRST_ABOVE_TIME DROP_NEXT LDELAY
 *				set the state
 *   e NS LEN DSFIELD		put a packet in the queue (DSFIELD -1: not IP)
 *   g NS			take a packet; answer: the packet, its DS field,
 *				those dropped, the state, the counts, the backlog
 *   u TIME			answer: TIME in microseconds
 *   d				answer: the default parameters
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <net/codel.h>
#include <net/codel_impl.h>

u64 shim_ns;

static struct queue {
	struct sk_buff *head;
	struct sk_buff **tail;
	u32 backlog;
	u32 next_id;
} queue = { .tail = &queue.head };

static u32 packet_len(const struct sk_buff *skb)
{
	return skb->len;
}

static codel_time_t packet_time(const struct sk_buff *skb)
{
	return skb->enqueue_time;
}

static void enqueue(u32 len, int dsfield)
{
	struct sk_buff *skb = calloc(1, sizeof(*skb));

	if (!skb)
		exit(1);
	skb->id = queue.next_id++;
	skb->len = len;
	skb->dsfield = dsfield;
	skb->enqueue_time = codel_get_time();
	*queue.tail = skb;
	queue.tail = &skb->next;
	queue.backlog += len;
}

static struct sk_buff *pop(struct codel_vars *vars, void *ctx)
{
	struct sk_buff *skb = queue.head;

	if (!skb)
		return NULL;
	queue.head = skb->next;
	if (!queue.head)
		queue.tail = &queue.head;
	queue.backlog -= skb->len;
	return skb;
}

static void drop(struct sk_buff *skb, void *ctx)
{
	printf("x%" PRIu32 " ", skb->id);
	free(skb);
}

/* What sch_codel.c puts into tc_codel_xstats. */
static s32 drop_next_us(const struct codel_vars *vars)
{
	codel_tdiff_t delta;

	if (!vars->dropping)
		return 0;
	delta = vars->drop_next - codel_get_time();
	return delta >= 0 ? codel_time_to_us(delta) : -codel_time_to_us(-delta);
}

static void dequeue(struct codel_params *params, struct codel_vars *vars,
		    struct codel_stats *stats)
{
	struct sk_buff *skb;

	skb = codel_dequeue(NULL, &queue.backlog, params, vars, stats,
			    packet_len, packet_time, drop, pop);
	if (skb)
		printf("packet %" PRIu32 " ds %d", skb->id, skb->dsfield);
	else
		printf("nothing");
	free(skb);
	printf(" count %" PRIu32 " %" PRIu32 " dropping %d inv %u"
	       " above %" PRIu32 " next %" PRIu32 " delay %" PRIu32,
	       vars->count, vars->lastcount, vars->dropping, vars->rec_inv_sqrt,
	       vars->first_above_time, vars->drop_next, vars->ldelay);
	printf(" max %" PRIu32 " drops %" PRIu32 " %" PRIu32
	       " marks %" PRIu32 " %" PRIu32 " backlog %" PRIu32
	       " next_us %" PRId32 "\n",
	       stats->maxpacket, stats->drop_count, stats->drop_len,
	       stats->ecn_mark, stats->ce_mark, queue.backlog,
	       drop_next_us(vars));
	/* As a qdisc does, once it has told its parents. */
	stats->drop_count = 0;
	stats->drop_len = 0;
}

static u64 number(void)
{
	u64 value;

	if (scanf("%" SCNu64, &value) != 1) {
		fprintf(stderr, "codel_harness: a number is missing\n");
		exit(1);
	}
	return value;
}

int main(void)
{
	struct codel_params params = { 0 };
	struct codel_stats stats = { 0 };
	struct codel_vars vars;
	struct sk_buff *skb;
	char event;

	codel_vars_init(&vars);
	codel_stats_init(&stats);
	while (scanf(" %c", &event) == 1) {
		switch (event) {
		case 'r':
			while ((skb = pop(NULL, NULL)))
				free(skb);
			queue.next_id = 0;
			codel_vars_init(&vars);
			memset(&stats, 0, sizeof(stats));
			break;
		case 'p':
			params.target = number();
			params.interval = number();
			params.ce_threshold = number();
			params.mtu = number();
			params.ecn = number();
			params.ce_threshold_mask = number();
			params.ce_threshold_selector = number();
			break;
		case 'v':
			vars.count = number();
			vars.lastcount = number();
			vars.dropping = number();
			vars.rec_inv_sqrt = number();
			vars.first_above_time = number();
			vars.drop_next = number();
			vars.ldelay = number();
			break;
		case 'e': {
			u32 len;

			shim_ns = number();
			len = number();
			enqueue(len, (int)number());
			break;
		}
		case 'g':
			shim_ns = number();
			dequeue(&params, &vars, &stats);
			break;
		case 'u':
			printf("us %" PRIu32 "\n", codel_time_to_us(number()));
			break;
		case 'd':
			codel_params_init(&params);
			printf("target %" PRIu32 " interval %" PRIu32
			       " ce_threshold %" PRIu32 " %u %u ecn %d\n",
			       params.target, params.interval,
			       params.ce_threshold, params.ce_threshold_mask,
			       params.ce_threshold_selector, params.ecn);
			break;
		default:
			fprintf(stderr, "codel_harness: unknown event %c\n", event);
			return 1;
		}
	}
	return 0;
}
