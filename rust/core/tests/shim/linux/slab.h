/* SPDX-License-Identifier: GPL-2.0 */
/* Zeroed memory for tables. */
#ifndef SHIM_LINUX_SLAB_H
#define SHIM_LINUX_SLAB_H

#include <stdlib.h>

#define kvzalloc_objs(type, count) ((type *)calloc(count, sizeof(type)))
#define kvcalloc(count, size, flags) calloc(count, size)
#define kvfree(memory) free(memory)

#endif
