// SPDX-License-Identifier: GPL-2.0
/*
 * An observer in C of the event fault that does nothing, to measure the cost of the event.
 * numa_events.rs has the same in Rust, and the other events.
 */

#include <linux/module.h>
#include <tackle/numa.h>

static void on_fault(struct tackle_numa_observer *observer, const struct tackle_numa_fault *fault)
{
}

static struct tackle_numa_observer observer = {
	.size = sizeof(observer),
	.owner = THIS_MODULE,
	.fault = on_fault,
};

static int __init numa_events_init(void)
{
	return tackle_numa_register(&observer);
}
module_init(numa_events_init);

static void __exit numa_events_exit(void)
{
	tackle_numa_unregister(&observer);
}
module_exit(numa_events_exit);

MODULE_DESCRIPTION("An observer in C that does nothing");
MODULE_LICENSE("GPL");
