// SPDX-License-Identifier: GPL-2.0

//! Hooks of other kinds than a handler on one name: on several functions, of a known
//! prototype, direct, at the exit, and such as skip their function.

use kernel::prelude::*;

#[kunit_tests(tackle_ftrace_kinds)]
mod tests {
    use crate::hook::{call, Seen, FUNCTION};
    use kernel::{
        ffi::{c_char, c_int},
        prelude::*,
        str::kstrtobool_bytes,
        sync::{
            atomic::{Atomic, Relaxed},
            Arc,
        },
    };
    use tackle::{
        expect_eq, fprobe,
        ftrace::{
            Arguments, Call, Direct, DirectHandler, Handler, Override, Overriding, Pattern,
            Registration, Returned, Target, Targets, MAX_ARGUMENTS,
        },
        numa, symbol,
    };

    tackle::function! {
        /// A function that nobody else calls just now.
        Kstrtobool: fn kstrtobool(*const c_char, *mut bool) -> c_int;
    }

    struct Count(Arc<Seen>);

    impl Handler for Count {
        fn entry(&self, _call: &Call) {
            self.0.calls.fetch_add(1, Relaxed);
        }
    }

    fn count<'a>(
        targets: impl Into<Targets<'a>> + 'a,
        seen: &Arc<Seen>,
    ) -> Result<Pin<KBox<Registration<Count>>>> {
        KBox::pin_init(Registration::new(targets, Count(seen.clone())), GFP_KERNEL)
    }

    fn address() -> Result<usize> {
        symbol::lookup(FUNCTION)
    }

    #[test]
    fn a_pattern_hooks_what_matches() -> Result {
        let (all, some, none) = (Seen::new()?, Seen::new()?, Seen::new()?);
        let pattern = Pattern::new(c"rust_helper_node_*").module(c"tackle");
        let _all = count(pattern, &all)?;
        let _some = count(pattern.except(c"*_online"), &some);
        let other = count(Pattern::new(c"rust_helper_node_*").module(c"ext4"), &none);
        expect_eq!(other.err(), Some(ENOENT));
        call(0..10);
        expect_eq!((all.calls(), some.calls()), (10, 0));
        Ok(())
    }

    #[test]
    fn several_are_hooked_once_each() -> Result {
        let seen = Seen::new()?;
        let targets = [
            Target::new(FUNCTION),
            Target::new(c"kstrtobool"),
            Target::new(FUNCTION),
        ];
        let _hook = count(&targets[..], &seen)?;
        call(0..3);
        expect_eq!(kstrtobool_bytes(b"y").is_ok(), true);
        expect_eq!(seen.calls(), 4);
        Ok(())
    }

    #[test]
    fn one_missing_is_enoent_for_all() -> Result {
        let seen = Seen::new()?;
        let targets = [Target::new(FUNCTION), Target::new(c"tackle_no_such")];
        expect_eq!(count(&targets[..], &seen).err(), Some(ENOENT));
        expect_eq!(count(&[] as &[Target<'_>], &seen).err(), Some(ENOENT));
        call(0..3);
        expect_eq!((seen.calls(), seen.dropped()), (0, 0));
        Ok(())
    }

    #[test]
    fn an_address_will_do() -> Result {
        let seen = Seen::new()?;
        let addresses = [address()?];
        let hook = count(&addresses[..], &seen)?;
        call(0..3);
        drop(hook);
        expect_eq!(seen.calls(), 3);
        // Not a function's.
        let addresses = [symbol::lookup(c"init_task")?];
        expect_eq!(count(&addresses[..], &seen).err(), Some(EINVAL));
        Ok(())
    }

    #[test]
    fn overlapping_hooks_all_see_a_call() -> Result {
        let (one, two) = (Seen::new()?, Seen::new()?);
        let _one = count(FUNCTION, &one)?;
        let targets = [Target::new(FUNCTION), Target::new(c"kstrtobool")];
        let _two = count(&targets[..], &two)?;
        call(0..5);
        expect_eq!((one.calls(), two.calls()), (5, 5));
        Ok(())
    }

    #[test]
    fn a_module_may_come_later() -> Result {
        let seen = Seen::new()?;
        let missing = Target::new(c"tackle_no_such_module:init");
        expect_eq!(count(missing, &seen).err(), Some(ENOENT));
        let _hook = count(missing.when_loaded(), &seen)?;
        // Of a module that is there, the function has to be.
        let missing = Target::new(c"tackle:no_such_function").when_loaded();
        expect_eq!(count(missing, &seen).err(), Some(ENOENT));
        Ok(())
    }

    #[test]
    fn a_typed_hook_gets_what_was_passed() -> Result {
        static NULLS: Atomic<u64> = Atomic::new(0);
        let seen = Seen::new()?;
        let counted = seen.clone();
        let hook = tackle::hook!(
            kstrtobool: fn(*const c_char, *mut bool) -> c_int,
            move |call, (text, result)| {
                counted.calls.fetch_add(1, Relaxed);
                counted.ip.store(call.ip(), Relaxed);
                counted.arguments[0].store(text.address(), Relaxed);
                NULLS.fetch_add(u64::from(result.is_null()), Relaxed);
            },
        );
        let _hook = KBox::pin_init(hook, GFP_KERNEL)?;
        expect_eq!(kstrtobool_bytes(b"y").ok(), Some(true));
        expect_eq!(seen.calls(), 1);
        expect_eq!(seen.argument(0) != 0, true);
        expect_eq!(NULLS.load(Relaxed), 0);
        Ok(())
    }

    struct Bare;

    static DIRECT: [Atomic<usize>; 3] = [const { Atomic::new(0) }; 3];

    impl DirectHandler for Bare {
        fn entry(arguments: [usize; MAX_ARGUMENTS], parent_ip: usize) {
            DIRECT[0].fetch_add(1, Relaxed);
            DIRECT[1].store(arguments[0], Relaxed);
            DIRECT[2].store(parent_ip, Relaxed);
            // Left out: this is a handler.
            numa::is_online(0);
        }
    }

    #[test]
    fn a_direct_hook_gets_the_arguments() -> Result {
        let calls = || DIRECT[0].load(Relaxed);
        let hook = KBox::pin_init(Direct::<Bare>::new(FUNCTION), GFP_KERNEL)?;
        call(0..20);
        expect_eq!(calls(), 20);
        expect_eq!(DIRECT[1].load(Relaxed), 19);
        // There is one such at most, beside as many others as may be.
        let second = KBox::pin_init(Direct::<Bare>::new(FUNCTION), GFP_KERNEL);
        expect_eq!(second.err(), Some(EBUSY));
        let seen = Seen::new()?;
        let other = count(FUNCTION, &seen)?;
        call(0..20);
        expect_eq!((calls(), seen.calls()), (40, 20));
        drop(other);
        call(0..20);
        drop(hook);
        call(0..20);
        expect_eq!(calls(), 60);
        Ok(())
    }

    struct Both {
        seen: Arc<Seen>,
        last: Atomic<usize>,
    }

    impl fprobe::Handler for Both {
        type Data = [usize; 3];

        fn entry(&self, call: &Call) -> Option<[usize; 3]> {
            let n = self.seen.calls.fetch_add(1, Relaxed);
            // Every second call is seen to return.
            (n % 2 == 0).then_some([call.ip(), call.argument(0)?, 42])
        }

        fn exit(&self, ret: &fprobe::Return, data: [usize; 3]) {
            let [ip, argument, answer] = data;
            if (ip, answer) == (ret.ip(), 42) && argument != 0 {
                self.seen.arguments[0].fetch_add(1, Relaxed);
            }
            self.last.store(ret.value(), Relaxed);
        }
    }

    #[test]
    fn an_exit_gets_what_the_entry_has_told() -> Result {
        let both = Both {
            seen: Seen::new()?,
            last: Atomic::new(0),
        };
        let hook = fprobe::Registration::new(c"kstrtobool", both);
        let hook = KBox::pin_init(hook, GFP_KERNEL)?;
        let both = hook.handler();
        for _ in 0..5 {
            expect_eq!(kstrtobool_bytes(b"maybe").err(), Some(EINVAL));
            expect_eq!(kstrtobool_bytes(b"on").err(), None);
        }
        expect_eq!((both.seen.calls(), both.seen.argument(0)), (10, 5));
        // CAST: An `int` is in the lower bits.
        expect_eq!(both.last.load(Relaxed) as i32, EINVAL.to_errno());
        expect_eq!(hook.missed(), 0);
        Ok(())
    }

    /// Has the function fail, unless there is nothing to read.
    struct Fail(Atomic<u64>);

    impl Override<Kstrtobool> for Fail {
        fn entry<'a>(
            &self,
            _call: &'a Call,
            (text, _result): Arguments<'a, Kstrtobool>,
        ) -> Option<Returned<'a, Kstrtobool>> {
            self.0.fetch_add(1, Relaxed);
            (!text.is_null()).then_some(ENOSPC.to_errno())
        }
    }

    #[test]
    fn a_function_can_be_skipped() -> Result {
        let hook = Overriding::new(Fail(Atomic::new(0)));
        let hook = KBox::pin_init(hook, GFP_KERNEL)?;
        for _ in 0..3 {
            expect_eq!(kstrtobool_bytes(b"y").err(), Some(ENOSPC));
        }
        // Two cannot decide about the same function.
        let second = KBox::pin_init(Overriding::new(Fail(Atomic::new(0))), GFP_KERNEL);
        expect_eq!(second.err(), Some(EBUSY));
        // Who only looks may stand beside.
        let seen = Seen::new()?;
        let other = count(c"kstrtobool", &seen)?;
        expect_eq!(kstrtobool_bytes(b"y").err(), Some(ENOSPC));
        expect_eq!((hook.handler().0.load(Relaxed), seen.calls()), (4, 1));
        drop(hook);
        expect_eq!(kstrtobool_bytes(b"y").err(), None);
        drop(other);
        Ok(())
    }
}
