/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What livepatch_meter.c has, for itself and for the live patches of it.
 */

#ifndef _LIVEPATCH_METER_H
#define _LIVEPATCH_METER_H

#include <linux/seq_file.h>
#include <linux/types.h>
#include <tackle/function.h>

#define TACKLE_MODULE "livepatch_meter"

struct meter;

/* Takes a reading into account. */
void livepatch_meter_add(struct meter *meter, u32 reading);
TACKLE_REPLACEABLE(livepatch_meter_add);
/* The average of the average so far and a new reading. */
u32 livepatch_meter_average(u32 average, u32 reading);
TACKLE_REPLACEABLE(livepatch_meter_average);
/* Prints the meter that is m->private. */
int livepatch_meter_show(struct seq_file *m, void *v);
TACKLE_REPLACEABLE(livepatch_meter_show);
TACKLE_KEEPS_ARGUMENTS(livepatch_meter_show);
/* Frees a meter. One that is not freed is lost, and nothing worse. */
void livepatch_meter_free(struct meter *meter);
TACKLE_REPLACEABLE(livepatch_meter_free);

#endif
