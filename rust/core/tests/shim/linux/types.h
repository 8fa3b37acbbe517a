/* SPDX-License-Identifier: GPL-2.0 */
/* What the code under test takes from the kernel's own types, for user space. */
#ifndef SHIM_LINUX_TYPES_H
#define SHIM_LINUX_TYPES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;

typedef u8 __u8;
typedef u16 __u16;
typedef u32 __u32;
typedef u64 __u64;
typedef int16_t __s16;
typedef s32 __s32;
typedef int64_t __s64;

#define unlikely(x) (x)
#define fallthrough __attribute__((__fallthrough__))
/* Only stops mistakes at compile time, which the kernel's own build does. */
#define typecheck(type, x) 1
#define READ_ONCE(x) (x)
#define WRITE_ONCE(x, val) ((x) = (val))
#define max_t(type, a, b) ((type)(a) > (type)(b) ? (type)(a) : (type)(b))
#define min_t(type, a, b) ((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define max(a, b) max_t(__typeof__(a), a, b)
#define min(a, b) min_t(__typeof__(a), a, b)
#define clamp_t(type, val, lo, hi) min_t(type, max_t(type, val, lo), hi)

static inline u32 reciprocal_scale(u32 val, u32 range)
{
	return (u64)val * range >> 32;
}

#endif
