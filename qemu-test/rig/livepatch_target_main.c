// SPDX-License-Identifier: GPL-2.0
/*
 * Functions with different prototypes, for live patches. Reading /proc/livepatch_target calls each.
 */

#include <linux/module.h>
#include <linux/proc_fs.h>

#define livepatch_target_twin livepatch_target_twin_of_header
#include "livepatch_target.h"
#undef livepatch_target_twin

static unsigned int notes;
/* A variable, because the compiler would not call a function whose result is constant. */
static bool flag;

noinline int livepatch_target_depth(int n)
{
	/* This is not a tail call, which the compiler would turn into a loop. */
	int below = n > 0 ? livepatch_target_depth(n - 1) : -1;

	barrier();
	return below + 1;
}

noinline s64 livepatch_target_mix(u8 a, s16 b, u32 c, s64 d, bool e, const char *f)
{
	return a + b + c + d + e + *f;
}

noinline bool livepatch_target_flag(void)
{
	return READ_ONCE(flag);
}

noinline void *livepatch_target_pointer(void *pointer)
{
	barrier();
	return pointer;
}

noinline void livepatch_target_note(void)
{
	notes++;
}

static int livepatch_target_twin(void)
{
	return 1;
}

/* Without this pointer, the compiler would change the function's name and its signature. */
static int (*twin)(void) = livepatch_target_twin;

noinline int livepatch_target_show(struct seq_file *m, void *v)
{
	seq_printf(m, "depth %d\n", livepatch_target_depth(10));
	seq_printf(m, "mix %lld\n",
		   livepatch_target_mix(200, -300, 4000000000, -5000000000, true, "A"));
	seq_printf(m, "flag %d\n", livepatch_target_flag());
	seq_printf(m, "pointer %d\n", livepatch_target_pointer(m) == m);
	livepatch_target_note();
	seq_printf(m, "notes %u\n", notes);
	seq_printf(m, "twin %d\n", READ_ONCE(twin)());
	seq_printf(m, "other %d\n", livepatch_target_twins());
	return 0;
}

static int __init target_init(void)
{
	if (!proc_create_single("livepatch_target", 0400, NULL, livepatch_target_show))
		return -ENOMEM;
	return 0;
}

static void __exit target_exit(void)
{
	remove_proc_entry("livepatch_target", NULL);
}

module_init(target_init);
module_exit(target_exit);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The Tackle developers");
MODULE_DESCRIPTION("Functions of all kinds, for live patches of them");
