/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A static function of test_klp_callbacks_busy.c in the kernel's
 * tools/testing/selftests/livepatch/test_modules, whose prototype no header has.
 */

#ifndef _TEST_KLP_CALLBACKS_BUSY_H
#define _TEST_KLP_CALLBACKS_BUSY_H

#include <linux/workqueue.h>
#include <tackle/function.h>

#define TACKLE_MODULE "test_klp_callbacks_busy"

void busymod_work_func(struct work_struct *work);
TACKLE_REPLACEABLE(busymod_work_func);

#endif
