// SPDX-License-Identifier: GPL-2.0
/*
 * A live patch in C of functions of bench_others.ko, which logs the time for enabling it.
 * livepatch_bench.rs is the same in Rust.
 *
 *	insmod bench_others.ko
 *	insmod livepatch_bench_c.ko functions=100
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ktime.h>
#include <linux/livepatch.h>
#include <linux/module.h>

#include "bench_others.h"

static uint functions = 1;
module_param(functions, uint, 0);
MODULE_PARM_DESC(functions, "How many functions to patch, 1 to 100");

static u32 patched(u32 n)
{
	return n;
}

#define FUNC(N) { .old_name = "bench_other_" #N, .new_func = patched, },
static struct klp_func funcs[] = { BENCH_HUNDRED(FUNC) { } };

static struct klp_object objs[] = {
	{
		.name = "bench_others",
		.funcs = funcs,
	}, { }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int __init livepatch_bench_init(void)
{
	ktime_t start;
	int ret;

	if (!functions || functions >= ARRAY_SIZE(funcs))
		return -EINVAL;
	memset(&funcs[functions], 0, sizeof(funcs[functions]));
	start = ktime_get();
	ret = klp_enable_patch(&patch);
	if (!ret)
		pr_info("klp_enable_patch() took %lld ns\n",
			ktime_to_ns(ktime_sub(ktime_get(), start)));
	return ret;
}
module_init(livepatch_bench_init);

static void __exit livepatch_bench_exit(void)
{
}
module_exit(livepatch_bench_exit);

MODULE_DESCRIPTION("A live patch in C that is measured");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
