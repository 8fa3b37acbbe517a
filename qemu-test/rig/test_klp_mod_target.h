/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A static function of test_klp_mod_target.c in the kernel's
 * tools/testing/selftests/livepatch/test_modules, whose prototype no header has.
 */

#ifndef _TEST_KLP_MOD_TARGET_H
#define _TEST_KLP_MOD_TARGET_H

#include <linux/seq_file.h>
#include <tackle/function.h>

#define TACKLE_MODULE "test_klp_mod_target"

int test_klp_mod_target_show(struct seq_file *m, void *v);
TACKLE_REPLACEABLE(test_klp_mod_target_show);

#endif
