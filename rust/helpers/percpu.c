// SPDX-License-Identifier: GPL-2.0

#include <linux/percpu.h>

/*
 * The per-CPU pointers are passed as integers, because C compilers can put them
 * into an address space that Rust does not have.
 */

unsigned long rust_helper_alloc_percpu_u64(void)
{
	return (__force unsigned long)alloc_percpu(u64);
}

void rust_helper_free_percpu_u64(unsigned long counts)
{
	free_percpu((__force void __percpu *)counts);
}

u64 rust_helper_sum_percpu_u64(unsigned long counts)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(*per_cpu_ptr((__force u64 __percpu *)counts, cpu));
	return sum;
}
