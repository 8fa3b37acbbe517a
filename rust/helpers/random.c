// SPDX-License-Identifier: GPL-2.0

#include <linux/random.h>

u32 rust_helper_get_random_u32_below(u32 ceil)
{
	return get_random_u32_below(ceil);
}

u64 rust_helper_get_random_u64(void)
{
	return get_random_u64();
}
