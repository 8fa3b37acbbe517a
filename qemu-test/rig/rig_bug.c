// SPDX-License-Identifier: GPL-2.0
/*
 * Misbehaves on purpose, to test that the runner detects it.
 *
 *	insmod rig_bug.ko what=WORD
 *
 * This is in C, because safe Rust cannot do most of this. Never load the module on a machine with
 * important work.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>

static char *what = "";
module_param(what, charp, 0);
MODULE_PARM_DESC(what, "What to do: warn, bug, hang, leak, use-after-free or inversion");

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);

static noinline void rig_oops(void)
{
	int *nowhere = NULL;

	OPTIMIZER_HIDE_VAR(nowhere);
	WRITE_ONCE(*nowhere, 1);
}

static noinline void rig_leak(void)
{
	/* Leak many objects, because the address of one may remain on a stack or in a register. */
	int count = 16;

	while (count--) {
		u32 *lost = kmalloc(1000, GFP_KERNEL);

		if (lost)
			lost[0] = 1;
		OPTIMIZER_HIDE_VAR(lost);
	}
}

static noinline int rig_use_after_free(void)
{
	int *gone = kmalloc(sizeof(*gone), GFP_KERNEL);

	if (!gone)
		return -ENOMEM;
	WRITE_ONCE(*gone, 1);
	kfree(gone);
	OPTIMIZER_HIDE_VAR(gone);
	return READ_ONCE(*gone) ? -ECANCELED : -ECANCELED;
}

static noinline void rig_inversion(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

/*
 * The module does not stay loaded: insmod fails with ECANCELED. The exception is a leak. It is
 * detected later, when the names of the module's functions are needed.
 */
static int __init rig_bug_init(void)
{
	int err = -ECANCELED;

	if (!strcmp(what, "warn")) {
		WARN(1, "rig_bug: a warning on purpose\n");
	} else if (!strcmp(what, "bug")) {
		rig_oops();
	} else if (!strcmp(what, "hang")) {
		/* Hang without output, and ignore signals. */
		for (;;)
			schedule_timeout_uninterruptible(MAX_SCHEDULE_TIMEOUT);
	} else if (!strcmp(what, "leak")) {
		rig_leak();
		err = 0;
	} else if (!strcmp(what, "use-after-free")) {
		err = rig_use_after_free();
	} else if (!strcmp(what, "inversion")) {
		rig_inversion();
	} else {
		pr_err("what=%s is not one of warn, bug, hang, leak, use-after-free, inversion\n",
		       what);
		err = -EINVAL;
	}
	return err;
}
module_init(rig_bug_init);

static void __exit rig_bug_exit(void)
{
}
module_exit(rig_bug_exit);

MODULE_DESCRIPTION("Misbehaves on purpose, to prove that the test rig notices");
MODULE_LICENSE("GPL");
