// SPDX-License-Identifier: GPL-2.0
/*
 * Helpers for fault attributes. lib/fault-inject.c has the same in static
 * functions or in struct fault_attr.
 */

#include <linux/jiffies.h>
#include <linux/jump_label.h>
#include <linux/minmax.h>
#include <linux/preempt.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>

bool rust_helper_fail_task(void)
{
#ifdef CONFIG_FAULT_INJECTION
	return in_task() && current->make_it_fail;
#else
	return false;
#endif
}

bool rust_helper_fault_in_task(void)
{
	return in_task();
}

/* Switches whether the points of an attribute can fail. May sleep. */
void rust_helper_fault_switch(struct static_key *key, bool on)
{
	if (on)
		static_key_enable(key);
	else
		static_key_disable(key);
}

/*
 * All fault attributes have one state. The limits are bounded, because
 * ___ratelimit() warns about values that are negative as an int.
 */
bool rust_helper_fault_ratelimit(u32 interval_ms, u32 burst)
{
	static DEFINE_RATELIMIT_STATE(state, 0, DEFAULT_RATELIMIT_BURST);

	WRITE_ONCE(state.interval, min_t(unsigned long, msecs_to_jiffies(interval_ms), INT_MAX));
	WRITE_ONCE(state.burst, min_t(u32, burst, INT_MAX));
	return ___ratelimit(&state, "tackle_fault");
}
