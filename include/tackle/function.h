/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a C header says about its functions for hooks and live patches in Rust.
 *
 * The header's author vouches for it: Rust code without unsafe relies on it. Beside these, the
 * header defines TACKLE_MODULE as the name of the module that has all of its functions:
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
 * The function may be skipped or replaced: the kernel stays memory safe whatever is done in its
 * place, and whatever value of its type is returned. A pointer that is returned is NULL or one
 * of the arguments.
 */
#define TACKLE_REPLACEABLE(function) \
	static const unsigned int __maybe_unused tackle_replaceable_##function = 1

/* The function does not free what its arguments point to. */
#define TACKLE_KEEPS_ARGUMENTS(function) \
	static const unsigned int __maybe_unused tackle_keeps_arguments_##function = 1

#endif
