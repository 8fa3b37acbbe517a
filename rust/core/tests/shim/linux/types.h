/* SPDX-License-Identifier: GPL-2.0 */
/* What net/codel.h takes from the kernel's own types, for user space. */
#ifndef SHIM_LINUX_TYPES_H
#define SHIM_LINUX_TYPES_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;

#define unlikely(x) (x)
/* Only stops mistakes at compile time, which the kernel's own build does. */
#define typecheck(type, x) 1
#define WRITE_ONCE(x, val) ((x) = (val))
#define max_t(type, a, b) ((type)(a) > (type)(b) ? (type)(a) : (type)(b))

static inline u32 reciprocal_scale(u32 val, u32 range)
{
	return (u64)val * range >> 32;
}

#endif
