// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's CoDel, timed: the peer of benches/work/codel.rs, step by step.
 *
 *	codel_rounds CASE CALLS TIMES
 *
 * CASE is codel-no-drop or codel-dropping; the answer is how many nanoseconds CALLS
 * calls took, the least of TIMES times.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <net/codel.h>
#include <net/codel_impl.h>

#define RING 16
#define LEN 1514

u64 shim_ns;

/* Never empty: a packet that was taken out is at once at the end of the queue. */
struct ring {
	struct sk_buff packets[RING];
	u32 next;
	u32 backlog;
	u32 dropped;
};

struct work {
	struct ring ring;
	struct codel_params params;
	struct codel_vars start;
	struct codel_stats stats;
};

static u32 packet_len(const struct sk_buff *skb)
{
	return skb->len;
}

static codel_time_t packet_time(const struct sk_buff *skb)
{
	return skb->enqueue_time;
}

static struct sk_buff *pop(struct codel_vars *vars, void *ctx)
{
	struct ring *ring = ctx;

	return &ring->packets[ring->next++ % RING];
}

static void drop(struct sk_buff *skb, void *ctx)
{
	struct ring *ring = ctx;

	ring->dropped++;
}

/* Each call starts from the same state. */
static void run(struct work *work, u32 calls)
{
	while (calls--) {
		struct codel_vars vars = work->start;
		struct sk_buff *skb;

		skb = codel_dequeue(&work->ring, &work->ring.backlog, &work->params,
				    &vars, &work->stats, packet_len, packet_time,
				    drop, pop);
		/* The compiler may think that anybody reads and changes it all. */
		asm volatile("" : : "r"(skb), "r"(&vars), "r"(work) : "memory");
	}
}

static u64 clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * (u64)1000000000 + now.tv_nsec;
}

int main(int argc, char **argv)
{
	static struct work work;
	codel_time_t now;
	u32 calls, times, drops;
	u64 least = UINT64_MAX;

	if (argc != 4)
		return 2;
	shim_ns = (u64)1000 * NSEC_PER_MSEC;
	now = codel_get_time();
	codel_params_init(&work.params);
	work.params.mtu = LEN;
	codel_vars_init(&work.start);
	if (!strcmp(argv[1], "codel-dropping")) {
		work.start.dropping = true;
		work.start.count = 16;
		work.start.lastcount = 1;
		work.start.rec_inv_sqrt = 0x4000;
		work.start.first_above_time = now - MS2TIME(50);
		work.start.drop_next = now;
	} else if (strcmp(argv[1], "codel-no-drop")) {
		fprintf(stderr, "codel_rounds: no case %s\n", argv[1]);
		return 2;
	}
	for (u32 i = 0; i < RING; i++) {
		work.ring.packets[i].len = LEN;
		work.ring.packets[i].enqueue_time =
			now - (work.start.dropping ? MS2TIME(50) : MS2TIME(1));
	}
	work.ring.backlog = RING * LEN;

	calls = atoi(argv[2]);
	times = atoi(argv[3]);
	for (u32 i = 0; i < times; i++) {
		u64 start = clock_ns(), taken;

		run(&work, calls);
		taken = clock_ns() - start;
		if (taken < least)
			least = taken;
	}
	drops = work.start.dropping ? calls * times : 0;
	if (work.ring.dropped != drops) {
		fprintf(stderr, "codel_rounds: %u drops, expected %u\n",
			work.ring.dropped, drops);
		return 1;
	}
	printf("%llu\n", (unsigned long long)least);
	return 0;
}
