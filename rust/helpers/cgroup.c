// SPDX-License-Identifier: GPL-2.0

#include <linux/cgroup.h>
#include <linux/err.h>

/*
 * Rust code has only the address of a cgroup. It reads the fields at the
 * offsets CGROUP_* (rust/bindings/bindings_helper.h).
 */

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
