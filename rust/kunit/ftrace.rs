// SPDX-License-Identifier: GPL-2.0

//! Tests entry hooks: which functions can be hooked, what a handler gets, and when it is called.

use kernel::prelude::*;

#[kunit_tests(tackle_ftrace)]
mod tests {
    use crate::hook::{call, fail_each, hook, hook_with, Seen, FUNCTION};
    use kernel::{
        prelude::*,
        sync::{
            atomic::{Atomic, Relaxed},
            Arc,
        },
    };
    use tackle::{expect_eq, fault, ftrace::MAX_ARGUMENTS, kunit::Packet, symbol};

    #[test]
    fn a_missing_function_is_enoent() -> Result {
        expect_eq!(
            hook(c"tackle_no_such_function", &Seen::new()?).err(),
            Some(ENOENT)
        );
        expect_eq!(
            hook(c"tackle:no_such_function", &Seen::new()?).err(),
            Some(ENOENT)
        );
        Ok(())
    }

    #[test]
    fn a_pattern_is_no_name() -> Result {
        expect_eq!(hook(c"cmdline_proc_*", &Seen::new()?).err(), Some(ENOENT));
        Ok(())
    }

    #[test]
    fn data_is_einval() -> Result {
        expect_eq!(hook(c"init_task", &Seen::new()?).err(), Some(EINVAL));
        Ok(())
    }

    #[test]
    fn an_untraceable_function_is_einval() -> Result {
        // ftrace does not trace itself.
        expect_eq!(
            hook(c"register_ftrace_function", &Seen::new()?).err(),
            Some(EINVAL)
        );
        Ok(())
    }

    #[test]
    fn each_call_is_seen_once() -> Result {
        let seen = Seen::new()?;
        let _hook = hook(FUNCTION, &seen)?;
        expect_eq!(seen.calls(), 0);
        call(0..1000);
        expect_eq!(seen.calls(), 1000);
        Ok(())
    }

    #[test]
    fn the_entry_is_told() -> Result {
        let seen = Seen::new()?;
        let _hook = hook(FUNCTION, &seen)?;
        call([0]);
        // The entry can begin with an ENDBR, which has four bytes.
        let offset = seen
            .ip
            .load(Relaxed)
            .wrapping_sub(symbol::lookup(FUNCTION)?);
        expect_eq!(matches!(offset, 0 | 4), true);
        Ok(())
    }

    #[test]
    fn the_caller_is_told() -> Result {
        let seen = Seen::new()?;
        let _hook = hook(FUNCTION, &seen)?;
        let caller = || {
            call([0]);
            seen.parent_ip.load(Relaxed)
        };
        let (first, second) = (caller(), caller());
        // Both calls come from one place, which is outside of the function.
        expect_eq!(first, second);
        expect_eq!(first.abs_diff(seen.ip.load(Relaxed)) < 16, false);
        Ok(())
    }

    #[test]
    fn arguments_are_told() -> Result {
        let seen = Seen::new()?;
        let _hook = hook(c"tackle:rust_helper_kunit_alloc_packet", &seen)?;
        let _packet = Packet::ipv4(1500, 0xdead_beef, 0xb8)?;
        // CAST: The types in the prototype of the function: u32, u32, int.
        expect_eq!(seen.argument(0) as u32, 1500);
        expect_eq!(seen.argument(1) as u32, 0xdead_beef);
        expect_eq!(seen.argument(2) as i32, 0xb8);
        Ok(())
    }

    #[test]
    fn there_are_six_arguments() -> Result {
        static NONE: Atomic<u64> = Atomic::new(0);
        let seen = Seen::new()?;
        let _hook = hook_with(FUNCTION, &seen, |call| {
            let none = (0..2 * MAX_ARGUMENTS).filter(|&n| call.argument(n).is_none());
            NONE.store(none.count() as u64, Relaxed);
        })?;
        call([0]);
        expect_eq!(NONE.load(Relaxed), MAX_ARGUMENTS as u64);
        Ok(())
    }

    #[test]
    fn no_call_is_seen_after_the_drop() -> Result {
        let seen = Seen::new()?;
        let hook = hook(FUNCTION, &seen)?;
        call(0..3);
        drop(hook);
        call(0..5);
        expect_eq!(seen.calls(), 3);
        expect_eq!(seen.dropped(), 1);
        Ok(())
    }

    #[test]
    fn two_hooks_on_a_function_are_independent() -> Result {
        let (first, second) = (Seen::new()?, Seen::new()?);
        let one = hook(FUNCTION, &first)?;
        let _two = hook(FUNCTION, &second)?;
        call(0..3);
        drop(one);
        call(0..4);
        expect_eq!((first.calls(), second.calls()), (3, 7));
        Ok(())
    }

    #[test]
    fn many_hooks_share_a_function() -> Result {
        const HOOKS: usize = 20;
        let mut seens = KVec::new();
        let mut hooks = KVec::new();
        for n in 0..HOOKS {
            let seen = Seen::new()?;
            hooks.push(Some(hook(FUNCTION, &seen)?), GFP_KERNEL)?;
            seens.push(seen, GFP_KERNEL)?;
            call([0]);
            // The hooks from before have seen this call, too.
            expect_eq!(seens.iter().map(|seen| seen.calls()).sum::<u64>(), {
                let n = n as u64 + 1;
                n * (n + 1) / 2
            });
        }
        // Drop the first, the last and a middle hook. The other hooks still see the calls.
        let before = |seens: &KVec<Arc<Seen>>, n: usize| seens[n].calls();
        for gone in [0, HOOKS - 1, HOOKS / 2] {
            hooks[gone] = None;
            let (was, next) = (before(&seens, gone), before(&seens, 1));
            call(0..3);
            expect_eq!((before(&seens, gone), before(&seens, 1)), (was, next + 3));
        }
        Ok(())
    }

    #[test]
    fn hooks_of_a_function_do_not_nest() -> Result {
        let (first, second) = (Seen::new()?, Seen::new()?);
        let one = hook_with(FUNCTION, &first, |_| call([0]))?;
        let two = hook(FUNCTION, &second)?;
        call(0..10);
        expect_eq!((first.calls(), one.missed().recursion), (10, 10));
        expect_eq!((second.calls(), two.missed().recursion), (10, 10));
        Ok(())
    }

    #[test]
    fn other_functions_are_not_seen() -> Result {
        let seen = Seen::new()?;
        let _hook = hook(c"tackle:rust_helper_kunit_alloc_packet", &seen)?;
        call(0..10);
        expect_eq!(seen.calls(), 0);
        Ok(())
    }

    #[test]
    fn a_handler_may_call_the_function() -> Result {
        let seen = Seen::new()?;
        let hook = hook_with(FUNCTION, &seen, |_| call([0]))?;
        call(0..10);
        // The handler sees each call except those that it makes itself.
        expect_eq!((seen.calls(), hook.missed().recursion), (10, 10));
        Ok(())
    }

    #[test]
    fn a_refused_handler_is_dropped() -> Result {
        let seen = Seen::new()?;
        expect_eq!(hook(c"init_task", &seen).is_err(), true);
        expect_eq!(seen.dropped(), 1);
        Ok(())
    }

    #[test]
    fn each_step_can_fail_and_leaves_nothing() -> Result {
        let points = [
            &fault::SYMBOL_LOOKUP,
            &fault::FTRACE_SITE_ALLOC,
            &fault::FTRACE_SET_FILTER,
            &fault::REGISTER_FTRACE_FUNCTION,
        ];
        let seen = Seen::new()?;
        let none = || {
            call(0..3);
            expect_eq!(seen.calls(), 0);
            Ok(())
        };
        let _hook = fail_each(&points, || hook(FUNCTION, &seen), none)?;
        expect_eq!(seen.dropped(), points.len() as u64);
        call([0]);
        expect_eq!(seen.calls(), 1);
        Ok(())
    }
}
