// SPDX-License-Identifier: GPL-2.0
/*
 * An observer of NUMA balancing that is never unregistered.
 *
 * Its callbacks are in its own memory: after it was unloaded, none may be called.
 */

#include <linux/module.h>
#include <tackle/numa.h>

#define CALLBACK(event) \
	static void on_##event(struct tackle_numa_observer *observer, \
			       const struct tackle_numa_##event *event) \
	{ \
		if (event->size != sizeof(*event)) \
			pr_err(#event " has a size of %zu\n", event->size); \
	}

CALLBACK(hint)
CALLBACK(fault)
CALLBACK(counted)
CALLBACK(window)
CALLBACK(scan)
CALLBACK(skip)
CALLBACK(migration)
CALLBACK(placement)
CALLBACK(exit)

static struct tackle_numa_observer observer = {
	.size = sizeof(observer),
	.owner = THIS_MODULE,
	.hint = on_hint,
	.fault = on_fault,
	.counted = on_counted,
	.window = on_window,
	.scan = on_scan,
	.skip = on_skip,
	.migration = on_migration,
	.placement = on_placement,
	.exit = on_exit,
};

static struct tackle_numa_observer nothing = {
	.size = sizeof(nothing),
	.owner = THIS_MODULE,
};

static int __init numa_forget_init(void)
{
	struct tackle_numa_observer *second = &observer;
	int err;

	if (tackle_numa_register(&nothing) != -EINVAL)
		return -EBADE;
	nothing.size--;
	nothing.fault = on_fault;
	if (tackle_numa_register(&nothing) != -EINVAL)
		return -EBADE;
	/* Of something that is not registered: nothing happens. */
	tackle_numa_unregister(&nothing);
	err = tackle_numa_register(&observer);
	if (err)
		return err;
	return tackle_numa_register(second) == -EBUSY ? 0 : -EBADE;
}

static void __exit numa_forget_exit(void)
{
}

module_init(numa_forget_init);
module_exit(numa_forget_exit);
MODULE_DESCRIPTION("Forgets to unregister an observer of NUMA balancing");
MODULE_LICENSE("GPL");
