/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Static functions of the kernel's modules in tools/testing/selftests/livepatch, whose
 * prototypes stand nowhere else: copied from there.
 */

#ifndef _TEST_KLP_H
#define _TEST_KLP_H

#include <linux/seq_file.h>
#include <linux/workqueue.h>

/* test_klp_mod_target.c */
int test_klp_mod_target_show(struct seq_file *m, void *v);
/* test_klp_callbacks_busy.c */
void busymod_work_func(struct work_struct *work);

#endif
