// SPDX-License-Identifier: GPL-2.0
/*
 * Registers a fault attribute and never unregisters it.
 *
 * The attribute's names and its static key are in the module's memory, so nothing may refer to them
 * after the module was unloaded.
 */

#include <linux/module.h>
#include <tackle/fault.h>

static const struct tackle_fault_point points[] = {
	{ "init", -ENOMEM },
};

static DEFINE_TACKLE_FAULT_ATTR(fail_forget, points);

static int __init fault_forget_init(void)
{
	int err = tackle_fault_register(&fail_forget);

	if (err)
		return err;
	return tackle_fault(&fail_forget, 0);
}

static void __exit fault_forget_exit(void)
{
}

module_init(fault_forget_init);
module_exit(fault_forget_exit);
MODULE_DESCRIPTION("Forgets to unregister a fault attribute");
MODULE_LICENSE("GPL");
