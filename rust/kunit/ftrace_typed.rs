// SPDX-License-Identifier: GPL-2.0

//! Tests hooks that know the prototype of their function: typed entry hooks, which get its
//! arguments, and override hooks, which decide whether it is called.

use kernel::prelude::*;

#[kunit_tests(tackle_ftrace_typed)]
mod tests {
    use crate::hook::{fail_each, hook, Seen};
    use kernel::{
        ffi::{c_int, c_uint},
        fs::file::LocalFile,
        prelude::*,
        sync::{
            atomic::{Atomic, Relaxed},
            Arc,
        },
    };
    use tackle::{
        expect_eq, fault,
        ftrace::{Arguments, Call, EntryHook, OverrideHandler, OverrideHook, TypedEntryHandler},
        function::Returned,
        kunit::{twice, Twice},
    };

    /// A file descriptor that no task has. It identifies the calls that the test makes.
    const NO_FILE: c_uint = 0x7abc_def0;

    #[test]
    fn a_closure_gets_what_was_passed() -> Result {
        let seen = Seen::new()?;
        let counted = seen.clone();
        let hook = tackle::hook!(
            fget: fn(c_uint) -> *mut kernel::bindings::file,
            move |call, (fd,)| {
                if fd == NO_FILE {
                    counted.calls.fetch_add(1, Relaxed);
                    counted.parent_ip.store(call.parent_ip(), Relaxed);
                }
            },
        );
        let hook = KBox::pin_init(hook, GFP_KERNEL)?;
        for _ in 0..5 {
            expect_eq!(LocalFile::fget(NO_FILE).is_err(), true);
        }
        expect_eq!(seen.calls(), 5);
        expect_eq!(seen.parent_ip.load(Relaxed) != 0, true);
        drop(hook);
        expect_eq!(LocalFile::fget(NO_FILE).is_err(), true);
        expect_eq!(seen.calls(), 5);
        Ok(())
    }

    /// Adds up the arguments.
    struct Sum(Atomic<i64>);

    impl TypedEntryHandler<Twice> for Sum {
        fn entry<'a>(&self, _call: &'a Call, (n,): Arguments<'a, Twice>) {
            self.0.fetch_add(i64::from(n), Relaxed);
        }
    }

    #[test]
    fn a_number_has_its_sign() -> Result {
        let hook = EntryHook::typed(Sum(Atomic::new(0)));
        let hook = KBox::pin_init(hook, GFP_KERNEL)?;
        let sum = || hook.handler().handler().0.load(Relaxed);
        // A C caller can leave any value in the upper half of the register.
        for n in [-5, 3, c_int::MIN] {
            twice(n / 2);
        }
        expect_eq!(sum(), -2 + 1 + i64::from(c_int::MIN / 2));
        Ok(())
    }

    /// Skips the function for negative numbers, and returns the number without its sign.
    struct Negate(Arc<Seen>);

    impl OverrideHandler<Twice> for Negate {
        fn entry<'a>(
            &self,
            _call: &'a Call,
            (n,): Arguments<'a, Twice>,
        ) -> Option<Returned<'a, Twice>> {
            self.0.calls.fetch_add(1, Relaxed);
            (n < 0).then_some(-n)
        }
    }

    impl Drop for Negate {
        fn drop(&mut self) {
            self.0.dropped.fetch_add(1, Relaxed);
        }
    }

    fn negate(seen: &Arc<Seen>) -> Result<Pin<KBox<OverrideHook<Twice, Negate>>>> {
        KBox::pin_init(OverrideHook::new(Negate(seen.clone())), GFP_KERNEL)
    }

    #[test]
    fn a_call_can_be_skipped() -> Result {
        let seen = Seen::new()?;
        let hook = negate(&seen)?;
        for n in 1..5 {
            expect_eq!((twice(n), twice(-n)), (2 * n, n));
        }
        expect_eq!(seen.calls(), 8);
        expect_eq!((hook.skipped(), hook.missed().total()), (4, 0));
        drop(hook);
        expect_eq!((twice(-7), seen.calls(), seen.dropped()), (-14, 8, 1));
        Ok(())
    }

    /// Calls the function itself, and returns one more than the function.
    struct OneMore;

    impl OverrideHandler<Twice> for OneMore {
        fn entry<'a>(
            &self,
            _call: &'a Call,
            (n,): Arguments<'a, Twice>,
        ) -> Option<Returned<'a, Twice>> {
            Some(twice(n) + 1)
        }
    }

    #[test]
    fn a_call_from_within_goes_on() -> Result {
        let hook = KBox::pin_init(OverrideHook::<Twice, _>::new(OneMore), GFP_KERNEL)?;
        for n in 1..4 {
            expect_eq!(twice(n), 2 * n + 1);
        }
        expect_eq!((hook.skipped(), hook.missed().recursion), (3, 3));
        Ok(())
    }

    #[test]
    fn two_cannot_decide_about_a_function() -> Result {
        let seen = Seen::new()?;
        let first = negate(&seen)?;
        expect_eq!(negate(&seen).err(), Some(EBUSY));
        expect_eq!((twice(-1), seen.calls(), seen.dropped()), (1, 1, 1));
        drop(first);
        let _second = negate(&seen)?;
        expect_eq!(twice(-1), 1);
        Ok(())
    }

    #[test]
    fn who_only_looks_may_stand_beside() -> Result {
        let (deciding, looking) = (Seen::new()?, Seen::new()?);
        let function = c"tackle:rust_helper_kunit_twice";
        let before = hook(function, &looking)?;
        let decision = negate(&deciding)?;
        let _after = hook(function, &looking)?;
        expect_eq!((twice(-3), twice(3)), (3, 6));
        expect_eq!((deciding.calls(), looking.calls()), (2, 4));
        drop(before);
        expect_eq!((twice(-3), looking.calls()), (3, 5));
        drop(decision);
        expect_eq!((twice(-3), looking.calls()), (-6, 6));
        Ok(())
    }

    #[test]
    fn each_step_of_a_decision_can_fail() -> Result {
        let points = [
            &fault::ALLOC_PERCPU,
            &fault::ALLOC_PERCPU,
            &fault::SYMBOL_LOOKUP,
            &fault::FTRACE_SET_FILTER,
            &fault::REGISTER_FTRACE_FUNCTION,
        ];
        let seen = Seen::new()?;
        let none = || {
            expect_eq!((twice(-3), seen.calls()), (-6, 0));
            Ok(())
        };
        let _hook = fail_each(&points, || negate(&seen), none)?;
        expect_eq!(seen.dropped(), points.len() as u64);
        expect_eq!((twice(-3), seen.calls()), (3, 1));
        Ok(())
    }
}
