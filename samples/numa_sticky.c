// SPDX-License-Identifier: GPL-2.0
/*
 * A policy of NUMA balancing in C: tasks follow their memory, and memory never moves.
 *
 *	insmod numa_sticky.ko
 *	cat /sys/module/numa_sticky/parameters/denied
 */

#include <linux/atomic.h>
#include <linux/module.h>
#include <tackle/numa.h>

static atomic_long_t pages_denied;

static int migrate(struct tackle_numa_policy *policy, const struct tackle_numa_page *page)
{
	atomic_long_inc(&pages_denied);
	return TACKLE_NUMA_DENY;
}

/* Memory that mbind() has bound attracts its task, too. */
static bool sees_bound(struct tackle_numa_policy *policy, struct task_struct *task)
{
	return true;
}

static struct tackle_numa_policy policy = {
	.size = sizeof(policy),
	.owner = THIS_MODULE,
	.sees_bound = sees_bound,
	.migrate = migrate,
};

static int denied_get(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%ld\n", atomic_long_read(&pages_denied));
}

static const struct kernel_param_ops denied_ops = {
	.get = denied_get,
};
module_param_cb(denied, &denied_ops, NULL, 0444);
MODULE_PARM_DESC(denied, "How many migrations were denied");

static int __init numa_sticky_init(void)
{
	return tackle_numa_register_policy(&policy);
}

static void __exit numa_sticky_exit(void)
{
	tackle_numa_unregister_policy(&policy);
}

module_init(numa_sticky_init);
module_exit(numa_sticky_exit);
MODULE_DESCRIPTION("A policy of NUMA balancing: memory never moves");
MODULE_LICENSE("GPL");
