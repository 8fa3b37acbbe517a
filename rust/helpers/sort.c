// SPDX-License-Identifier: GPL-2.0

#include <linux/sort.h>
#include <linux/types.h>

static int compare_addresses(const void *a, const void *b)
{
	unsigned long first = *(const unsigned long *)a, second = *(const unsigned long *)b;

	return first < second ? -1 : first > second;
}

void rust_helper_sort_addresses(unsigned long *addresses, size_t count)
{
	sort(addresses, count, sizeof(*addresses), compare_addresses, NULL);
}
