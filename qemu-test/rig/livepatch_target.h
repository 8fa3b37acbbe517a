/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions with different prototypes, for live patches.
 */

#ifndef _LIVEPATCH_TARGET_H
#define _LIVEPATCH_TARGET_H

#include <linux/seq_file.h>
#include <linux/types.h>
#include <tackle/function.h>

#define TACKLE_MODULE "livepatch_target"

/* Returns n, by calling itself n times. */
int livepatch_target_depth(int n);
TACKLE_REPLACEABLE(livepatch_target_depth);
/* Returns the sum of all arguments. For f, it adds *f. */
s64 livepatch_target_mix(u8 a, s16 b, u32 c, s64 d, bool e, const char *f);
TACKLE_REPLACEABLE(livepatch_target_mix);
/* Returns false. */
bool livepatch_target_flag(void);
TACKLE_REPLACEABLE(livepatch_target_flag);
/* Returns its argument. */
void *livepatch_target_pointer(void *pointer);
TACKLE_REPLACEABLE(livepatch_target_pointer);
/* Counts its calls. */
void livepatch_target_note(void);
TACKLE_REPLACEABLE(livepatch_target_note);
/*
 * Return 1 and 2. There are two functions with this name, which are static in their files, in the
 * order of this module's object files.
 */
int livepatch_target_twin(void);
TACKLE_REPLACEABLE(livepatch_target_twin);
int livepatch_target_twins(void);
/* Prints the results of all other functions. */
int livepatch_target_show(struct seq_file *m, void *v);
TACKLE_REPLACEABLE(livepatch_target_show);
TACKLE_KEEPS_ARGUMENTS(livepatch_target_show);

#endif
