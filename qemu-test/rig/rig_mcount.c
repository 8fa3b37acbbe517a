// SPDX-License-Identifier: GPL-2.0
/*
 * A module with a wrong entry in __mcount_loc: an address without a call of ftrace. When the module
 * is loaded, ftrace warns and switches itself off until reboot.
 */

#include <linux/module.h>

/* The address at which ftrace expects a call. */
asm(".pushsection .text; rig_mcount_place: ud2; ud2; ud2; .popsection");
asm(".pushsection __mcount_loc, \"a\", @progbits; .quad rig_mcount_place; .popsection");

static int __init rig_mcount_init(void)
{
	return 0;
}

static void __exit rig_mcount_exit(void)
{
}

module_init(rig_mcount_init);
module_exit(rig_mcount_exit);

MODULE_DESCRIPTION("A module with a wrong entry in __mcount_loc");
MODULE_AUTHOR("The Tackle developers");
MODULE_LICENSE("GPL");
