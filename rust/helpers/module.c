// SPDX-License-Identifier: GPL-2.0

#include <linux/module.h>

void rust_helper___module_get(struct module *module)
{
	__module_get(module);
}

bool rust_helper_within_module(unsigned long address, const struct module *module)
{
	return within_module(address, module);
}

bool rust_helper_within_module_init(unsigned long address, const struct module *module)
{
	return within_module_init(address, module);
}

void rust_helper_module_put(struct module *module)
{
	module_put(module);
}
