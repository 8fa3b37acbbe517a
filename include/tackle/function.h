/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Macros by which a C header makes promises about its functions. Hooks and live
 * patches in Rust need the promises.
 *
 * Rust code without unsafe relies on them, so the author of the header must
 * make sure that they are true. The header also defines TACKLE_MODULE, the name
 * of the module that contains all its functions:
 *
 *	#define TACKLE_MODULE "livepatch_meter"
 *
 *	u32 livepatch_meter_average(u32 average, u32 reading);
 *	TACKLE_REPLACEABLE(livepatch_meter_average);
 */

#ifndef _TACKLE_FUNCTION_H
#define _TACKLE_FUNCTION_H

#include <linux/compiler_attributes.h>

/*
 * The function may be skipped or replaced. The kernel stays memory safe if
 * other code runs instead of the function, and if any value of its return type
 * is returned. If the return type is a pointer, only NULL or one of the
 * arguments is returned.
 */
#define TACKLE_REPLACEABLE(function) \
	static const unsigned int __maybe_unused tackle_replaceable_##function = 1

/* The function does not free what its arguments point to. */
#define TACKLE_KEEPS_ARGUMENTS(function) \
	static const unsigned int __maybe_unused tackle_keeps_arguments_##function = 1

#endif
