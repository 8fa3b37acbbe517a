/* SPDX-License-Identifier: GPL-2.0 */

#ifndef BENCH_TRACEE_H
#define BENCH_TRACEE_H

#include <tackle/function.h>

#define TACKLE_MODULE "bench_tracee"

void tracee(void);
TACKLE_REPLACEABLE(tracee);

#endif
