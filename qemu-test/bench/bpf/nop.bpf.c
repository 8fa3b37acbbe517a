// SPDX-License-Identifier: GPL-2.0
/*
 * BPF programs that do nothing, to measure the cost of a call, and to test hooks beside BPF
 * programs.
 *
 * scripts/bpf.sh compiles this file. ATTACH is the section, by which libbpf selects where to
 * attach. PROGRAMS is 1 or 10.
 */

#include <linux/compiler_attributes.h>

#define NOP(n)			\
	__section(ATTACH) __used\
	int nop_##n(void *ctx)	\
	{			\
		return 0;	\
	}

NOP(0)
#if PROGRAMS == 10
NOP(1)
NOP(2)
NOP(3)
NOP(4)
NOP(5)
NOP(6)
NOP(7)
NOP(8)
NOP(9)
#elif PROGRAMS != 1
#error "PROGRAMS is 1 or 10"
#endif

char _license[] __section("license") __used = "GPL";
