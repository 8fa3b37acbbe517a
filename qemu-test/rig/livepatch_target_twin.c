// SPDX-License-Identifier: GPL-2.0
/*
 * The second function with the name livepatch_target_twin.
 */

#include <linux/compiler.h>

#define livepatch_target_twin livepatch_target_twin_of_header
#include "livepatch_target.h"
#undef livepatch_target_twin

static int livepatch_target_twin(void)
{
	return 2;
}

/* See livepatch_target_main.c. */
static int (*twin)(void) = livepatch_target_twin;

int livepatch_target_twins(void)
{
	return READ_ONCE(twin)();
}
