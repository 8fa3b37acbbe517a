// SPDX-License-Identifier: GPL-2.0

#include <linux/percpu.h>

/* As integers: to the compilers, per-CPU pointers may be of an address space of their own. */

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
