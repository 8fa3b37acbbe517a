/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A module that exists twice with the same layout: rig_twin_a.ko and rig_twin_b.ko. If one is
 * unloaded and the other one is loaded, the functions are likely to get the same addresses.
 *
 *	cd /sys/module/rig_twin_a/parameters
 *	echo 10 > call		# calls rig_twin_call(), ten times
 *	echo 10 > call_atomic	# with preemption disabled
 */

#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/preempt.h>

/*
 * This is not static, so that there is one symbol. It has a side effect, so that no call is
 * removed.
 */
int rig_twin_call(int n);

noinline int rig_twin_call(int n)
{
	barrier();
	return n;
}

static int rig_twin_set_atomic(const char *text, const struct kernel_param *param)
{
	unsigned int times;
	int error = kstrtouint(text, 0, &times);

	if (error)
		return error;
	preempt_disable();
	while (times--)
		rig_twin_call(times);
	preempt_enable();
	return 0;
}

static const struct kernel_param_ops rig_twin_atomic_ops = {
	.set = rig_twin_set_atomic,
};

module_param_cb(call_atomic, &rig_twin_atomic_ops, NULL, 0200);
MODULE_PARM_DESC(call_atomic, "How often to call the function with preemption disabled");

static int rig_twin_set(const char *text, const struct kernel_param *param)
{
	unsigned int times;
	int error = kstrtouint(text, 0, &times);

	if (error)
		return error;
	while (times--)
		rig_twin_call(times);
	return 0;
}

static const struct kernel_param_ops rig_twin_ops = {
	.set = rig_twin_set,
};

module_param_cb(call, &rig_twin_ops, NULL, 0200);
MODULE_PARM_DESC(call, "How often to call the function, at once");

static int __init rig_twin_init(void)
{
	return 0;
}

static void __exit rig_twin_exit(void)
{
}

module_init(rig_twin_init);
module_exit(rig_twin_exit);

MODULE_DESCRIPTION("A module that exists twice");
MODULE_AUTHOR("The Tackle developers");
MODULE_LICENSE("GPL");
