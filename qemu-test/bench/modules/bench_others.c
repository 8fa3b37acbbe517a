// SPDX-License-Identifier: GPL-2.0
/*
 * A thousand functions to hook and to patch, besides the function that is measured. Kbuild
 * generates their declarations.
 */

#include <linux/linkage.h>
#include <linux/module.h>

#include "bench_others.h"

/* All functions differ, because the compiler would merge equal functions. */
#define DEFINE(N)							\
	noinline u32 bench_other_##N(u32 n)				\
	{								\
		return n + 1##N;					\
	}
BENCH_THOUSAND(DEFINE)

#define ADDRESS(N) bench_other_##N,
u32 (*const bench_others[])(u32 n) = { BENCH_THOUSAND(ADDRESS) };
EXPORT_SYMBOL_GPL(bench_others);

MODULE_DESCRIPTION("A thousand functions to hook and to patch");
MODULE_LICENSE("GPL");
