// SPDX-License-Identifier: GPL-2.0

#include <net/pkt_sched.h>

unsigned int rust_helper_psched_mtu(const struct net_device *dev)
{
	return psched_mtu(dev);
}
