// SPDX-License-Identifier: GPL-2.0
/*
 * Registers an observer of NUMA balancing and never unregisters it.
 *
 * Its callbacks are in the module's memory, so none may be called after the module was unloaded.
 */

#include <linux/module.h>
#include <tackle/numa.h>

/* Checks the size of an event, which is the event's first field. */
static void check(const char *name, size_t size, size_t expected)
{
	if (size != expected)
		pr_err("%s has a size of %zu\n", name, size);
}

static void on_hint(struct tackle_numa_observer *observer, const struct tackle_numa_hint *hint)
{
	check("hint", hint->size, sizeof(*hint));
}

static void on_fault(struct tackle_numa_observer *observer, const struct tackle_numa_fault *fault)
{
	check("fault", fault->size, sizeof(*fault));
}

static void on_counted(struct tackle_numa_observer *observer,
		       const struct tackle_numa_counted *counted)
{
	check("counted", counted->size, sizeof(*counted));
}

static void on_window(struct tackle_numa_observer *observer,
		      const struct tackle_numa_window *window)
{
	check("window", window->size, sizeof(*window));
}

static void on_scan(struct tackle_numa_observer *observer, const struct tackle_numa_scan *scan)
{
	check("scan", scan->size, sizeof(*scan));
}

static void on_skip(struct tackle_numa_observer *observer, const struct tackle_numa_skip *skip)
{
	check("skip", skip->size, sizeof(*skip));
}

static void on_migration(struct tackle_numa_observer *observer,
			 const struct tackle_numa_migration *migration)
{
	check("migration", migration->size, sizeof(*migration));
}

static void on_placement(struct tackle_numa_observer *observer,
			 const struct tackle_numa_placement *placement)
{
	check("placement", placement->size, sizeof(*placement));
}

static void on_exit(struct tackle_numa_observer *observer, const struct tackle_numa_exit *exit)
{
	check("exit", exit->size, sizeof(*exit));
}

/* The size of the last event wakeup; 0 if there was none. */
static size_t wakeup_size;

static void on_wakeup(struct tackle_numa_observer *observer,
		      const struct tackle_numa_wakeup *wakeup)
{
	/* Printing could wake up a task, which is forbidden here. */
	WRITE_ONCE(wakeup_size, wakeup->size);
}

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
	.wakeup = on_wakeup,
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
	/* Unregistering an unknown observer must have no effect. */
	tackle_numa_unregister(&nothing);
	err = tackle_numa_register(&observer);
	if (err)
		return err;
	return tackle_numa_register(second) == -EBUSY ? 0 : -EBADE;
}

static void __exit numa_forget_exit(void)
{
	size_t size = READ_ONCE(wakeup_size);

	if (size)
		check("wakeup", size, sizeof(struct tackle_numa_wakeup));
}

module_init(numa_forget_init);
module_exit(numa_forget_exit);
MODULE_DESCRIPTION("Forgets to unregister an observer of NUMA balancing");
MODULE_LICENSE("GPL");
