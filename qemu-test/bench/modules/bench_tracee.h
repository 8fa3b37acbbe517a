/* SPDX-License-Identifier: GPL-2.0 */

#ifndef BENCH_TRACEE_H
#define BENCH_TRACEE_H

void tracee(void);

#endif
