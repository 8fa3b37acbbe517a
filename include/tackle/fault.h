/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fault attributes for C modules. An attribute has points: places in the code
 * of a module that can be made to fail. tackle.ko exports the functions.
 *
 *	enum { TABLE_ALLOC, REGISTER };
 *
 *	static const struct tackle_fault_point points[] = {
 *		[TABLE_ALLOC] = { "table_alloc", -ENOMEM },
 *		[REGISTER] = { "register", -EBUSY },
 *	};
 *
 *	static DEFINE_TACKLE_FAULT_ATTR(fail_sample, points);
 *
 *	err = tackle_fault_register(&fail_sample);
 *	...
 *	err = tackle_fault(&fail_sample, TABLE_ALLOC);
 *	if (err)
 *		return err;
 *	...
 *	tackle_fault_unregister(&fail_sample);
 *
 * While the attribute is registered, /sys/kernel/debug/tackle/fail_sample has
 * the files of a fault attribute of the kernel. In Rust modules
 * tackle::fault_attr! declares an attribute. Documentation/fault.rst describes
 * both.
 */

#ifndef _TACKLE_FAULT_H
#define _TACKLE_FAULT_H

#include <linux/compiler.h>
#include <linux/init.h>
#include <linux/jump_label.h>
#include <linux/types.h>

/*
 * A point. @error is the negative errno with which it fails.
 */
struct tackle_fault_point {
	const char *name;
	int error;
};

/*
 * An attribute. DEFINE_TACKLE_FAULT_ATTR() defines it.
 *
 * @owner:	the module that contains it
 * @name:	name of its directory
 * @points:	its points
 * @count:	number of its points
 * @key:	whether points can fail
 * @attribute:	private to the library; NULL while it is not registered
 */
struct tackle_fault_attr {
	struct module *owner;
	const char *name;
	const struct tackle_fault_point *points;
	size_t count;
	struct static_key_false key;
	void *attribute;
};

#define DEFINE_TACKLE_FAULT_ATTR(attr, table)			\
	struct tackle_fault_attr attr = {			\
		.owner = THIS_MODULE,				\
		.name = #attr,					\
		.points = table,				\
		.count = sizeof(table) / sizeof(struct tackle_fault_point), \
		.key = STATIC_KEY_FALSE_INIT,			\
	}

/*
 * Registers the attribute and creates its directory. May sleep. An attribute
 * that is still registered when its owner is unloaded is unregistered then.
 *
 * Returns 0, or
 * -EBUSY	the attribute is registered already;
 * -EEXIST	there is a directory of this name;
 * -EINVAL	there is no @owner, the @error of a point is not a negative
 *		errno, or its name is not UTF-8;
 * -ENODEV	tackle.ko is being loaded or unloaded;
 * -ENOMEM	no memory.
 */
int tackle_fault_register(struct tackle_fault_attr *attr);

/*
 * Unregisters the attribute and removes its directory. The caller makes sure
 * that no code passes a point of the attribute during the call. After the call
 * no point fails. May sleep. Does nothing if the attribute is not registered.
 */
void tackle_fault_unregister(struct tackle_fault_attr *attr);

/* Only tackle_fault() calls this. */
int tackle_fault_decide(const struct tackle_fault_attr *attr, size_t point);

/*
 * Returns 0, or the errno of the point with the index @point if the point
 * fails. While no point of the attribute can fail, this is one instruction,
 * which does nothing. @attr is the address of a static variable. Any context.
 */
static __always_inline int tackle_fault(struct tackle_fault_attr *attr, size_t point)
{
	if (static_branch_unlikely(&attr->key))
		return tackle_fault_decide(attr, point);
	return 0;
}

#endif
