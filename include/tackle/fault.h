/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fault attributes for C modules: places of a module that can be made to fail. tackle.ko has the
 * functions.
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
 * While it is registered, /sys/kernel/debug/tackle/fail_sample has the files of a fault attribute
 * of the kernel. Rust modules have tackle::fault_attr!, and Documentation/fault.rst describes both.
 */

#ifndef _TACKLE_FAULT_H
#define _TACKLE_FAULT_H

#include <linux/compiler.h>
#include <linux/jump_label.h>
#include <linux/types.h>

/*
 * A point. @error is a negative errno.
 */
struct tackle_fault_point {
	const char *name;
	int error;
};

/*
 * An attribute, to be made by DEFINE_TACKLE_FAULT_ATTR().
 *
 * @name:	of its directory
 * @points:	its points
 * @count:	how many there are
 * @key:	whether points can fail
 * @attribute:	what the library has of it; NULL while it is not registered
 */
struct tackle_fault_attr {
	const char *name;
	const struct tackle_fault_point *points;
	size_t count;
	struct static_key_false key;
	void *attribute;
};

#define DEFINE_TACKLE_FAULT_ATTR(attr, table)			\
	struct tackle_fault_attr attr = {			\
		.name = #attr,					\
		.points = table,				\
		.count = sizeof(table) / sizeof(struct tackle_fault_point), \
		.key = STATIC_KEY_FALSE_INIT,			\
	}

/*
 * Makes the attribute's directory. May sleep.
 *
 * Returns 0; -EBUSY if it is registered; -EEXIST if there is a directory of this name; -EINVAL if
 * a point has no errno; -ENOMEM.
 */
int tackle_fault_register(struct tackle_fault_attr *attr);

/*
 * Removes the directory. The caller makes sure that no code passes a point of the attribute during
 * the call. No point fails after it. May sleep. Does nothing if the attribute is not registered.
 */
void tackle_fault_unregister(struct tackle_fault_attr *attr);

/* For tackle_fault(). */
int tackle_fault_decide(const struct tackle_fault_attr *attr, size_t point);

/*
 * Passes a point, by its index: 0, or the point's errno. While no point of the attribute can fail,
 * this is one instruction, which does nothing. @attr is the address of a static. Any context.
 */
static __always_inline int tackle_fault(struct tackle_fault_attr *attr, size_t point)
{
	if (static_branch_unlikely(&attr->key))
		return tackle_fault_decide(attr, point);
	return 0;
}

#endif
