// SPDX-License-Identifier: GPL-2.0

#include <linux/cgroup.h>
#include <linux/err.h>

/* A cgroup is an address to Rust: what it looks for in one is at the CGROUP_ offsets. */

void *rust_helper_cgroup_get_from_path(const char *path)
{
#ifdef CONFIG_CGROUPS
	return cgroup_get_from_path(path);
#else
	return ERR_PTR(-EOPNOTSUPP);
#endif
}

void rust_helper_cgroup_put(void *cgroup)
{
#ifdef CONFIG_CGROUPS
	cgroup_put(cgroup);
#endif
}
