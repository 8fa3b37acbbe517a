// SPDX-License-Identifier: GPL-2.0

#include <net/pkt_sched.h>

unsigned int rust_helper_psched_mtu(const struct net_device *dev)
{
	return psched_mtu(dev);
}

bool rust_helper_tc_qdisc_stats_dump(struct Qdisc *sch, unsigned long cl,
				     struct qdisc_walker *arg)
{
	return tc_qdisc_stats_dump(sch, cl, arg);
}
