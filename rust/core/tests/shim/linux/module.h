/* SPDX-License-Identifier: GPL-2.0 */
/* A module that is linked into the program; its init function is shim_init(). */
#ifndef SHIM_LINUX_MODULE_H
#define SHIM_LINUX_MODULE_H

#define __init
#define __exit
#define __read_mostly
#define THIS_MODULE NULL
#define MODULE_ALIAS_NET_SCH(id)
#define MODULE_AUTHOR(name)
#define MODULE_DESCRIPTION(text)
#define MODULE_LICENSE(license)

#define module_init(fn)                \
	static inline int shim_init(void) \
	{                              \
		return fn();           \
	}
#define module_exit(fn)                 \
	static inline void shim_exit(void) \
	{                               \
		fn();                   \
	}

struct module;

#endif
