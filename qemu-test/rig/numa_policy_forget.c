// SPDX-License-Identifier: GPL-2.0
/*
 * Registers a policy of NUMA balancing and never unregisters it.
 *
 * Its callbacks are in the module's memory, so none may be called after the module was unloaded.
 * They check the sizes of their arguments.
 */

#include <linux/module.h>
#include <tackle/numa.h>

static bool enabled(struct tackle_numa_policy *policy, struct task_struct *task)
{
	return true;
}

static unsigned int scan_period(struct tackle_numa_policy *policy, struct task_struct *task,
				unsigned int period)
{
	return period;
}

static int preferred_node(struct tackle_numa_policy *policy,
			  const struct tackle_numa_choice *choice)
{
	if (choice->size != sizeof(*choice))
		pr_err("choice has a size of %zu\n", choice->size);
	return choice->node;
}

static int migrate(struct tackle_numa_policy *policy, const struct tackle_numa_page *page)
{
	if (page->size != sizeof(*page))
		pr_err("page has a size of %zu\n", page->size);
	return TACKLE_NUMA_DEFER;
}

static struct tackle_numa_policy policy = {
	.size = sizeof(policy),
	.owner = THIS_MODULE,
	.enabled = enabled,
	.scan_period = scan_period,
	.preferred_node = preferred_node,
	.migrate = migrate,
};

static struct tackle_numa_policy nothing = {
	.size = sizeof(nothing),
	.owner = THIS_MODULE,
};

static int __init numa_policy_forget_init(void)
{
	int err;

	if (tackle_numa_register_policy(&nothing) != -EINVAL)
		return -EBADE;
	nothing.size--;
	nothing.migrate = migrate;
	if (tackle_numa_register_policy(&nothing) != -EINVAL)
		return -EBADE;
	nothing.size++;
	/* Unregistering an unknown policy must have no effect. */
	tackle_numa_unregister_policy(&nothing);
	err = tackle_numa_register_policy(&policy);
	if (err)
		return err;
	return tackle_numa_register_policy(&nothing) == -EBUSY ? 0 : -EBADE;
}

static void __exit numa_policy_forget_exit(void)
{
}

module_init(numa_policy_forget_init);
module_exit(numa_policy_forget_exit);
MODULE_DESCRIPTION("Forgets to unregister a policy of NUMA balancing");
MODULE_LICENSE("GPL");
