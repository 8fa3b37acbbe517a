// SPDX-License-Identifier: GPL-2.0

//! Tests closures as handlers of each kind of hook, and filters before handlers of each kind.

use kernel::prelude::*;

#[kunit_tests(tackle_handlers)]
mod tests {
    use kernel::{
        ffi::c_int,
        prelude::*,
        sync::{
            atomic::{Atomic, Relaxed},
            Arc,
        },
    };
    use tackle::{
        expect_eq,
        filter::{Filter, Filtered},
        ftrace::{
            Arguments, Call, EntryHook, ExitHook, OverrideHandler, OverrideHook, Return,
            TypedEntryHandler, TypedExitHandler,
        },
        kunit::{twice, Twice},
        task,
    };
    use tackle_core::hooks::FilterSpec;

    const FUNCTION: &CStr = c"tackle:rust_helper_kunit_twice";

    type Count = Arc<Atomic<u64>>;

    fn count() -> Result<Count> {
        Ok(Arc::new(Atomic::new(0), GFP_KERNEL)?)
    }

    #[test]
    fn closures_are_handlers() -> Result {
        let (entries, exits, sum) = (count()?, count()?, count()?);
        let counted = entries.clone();
        let entry = EntryHook::new(FUNCTION, move |_: &Call| {
            counted.fetch_add(1, Relaxed);
        });
        let entry = KBox::pin_init(entry, GFP_KERNEL)?;
        let (counted, added) = (exits.clone(), sum.clone());
        let exit = ExitHook::new(
            FUNCTION,
            (
                |call: &Call| call.argument(0),
                move |_: &Return, argument: usize| {
                    counted.fetch_add(1, Relaxed);
                    // CAST: The argument is at most 300.
                    added.fetch_add(u64::from(argument as u32), Relaxed);
                },
            ),
        );
        let exit = KBox::pin_init(exit, GFP_KERNEL)?;
        for n in [1, 20, 300] {
            expect_eq!(twice(n), 2 * n);
        }
        expect_eq!((entries.load(Relaxed), exits.load(Relaxed)), (3, 3));
        expect_eq!(sum.load(Relaxed), 321);
        drop((entry, exit));

        let skip = OverrideHook::<Twice, _>::new(|_: &Call, (n,): (c_int,)| (n > 5).then_some(7));
        let skip = KBox::pin_init(skip, GFP_KERNEL)?;
        expect_eq!((twice(5), twice(6)), (10, 7));
        expect_eq!(skip.skipped(), 1);
        Ok(())
    }

    /// A handler for hooks of each kind. It adds 1 at an entry and 100 at an exit.
    struct Any(Count);

    impl TypedEntryHandler<Twice> for Any {
        fn entry(&self, _call: &Call, _: (c_int,)) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    impl TypedExitHandler<Twice> for Any {
        type Data = ();

        fn entry(&self, _call: &Call, _: (c_int,)) -> Option<()> {
            self.0.fetch_add(1, Relaxed);
            Some(())
        }

        fn exit(&self, _ret: &Return, _value: c_int, (): ()) {
            self.0.fetch_add(100, Relaxed);
        }
    }

    impl OverrideHandler<Twice> for Any {
        fn entry<'a>(&self, _call: &'a Call, _: Arguments<'a, Twice>) -> Option<c_int> {
            self.0.fetch_add(1, Relaxed);
            Some(1)
        }
    }

    #[test]
    fn a_filter_is_before_a_handler_of_any_kind() -> Result {
        // CAST: An ID is not negative.
        let own = task::pid() as u32;
        for (pid, calls) in [(own, 1), (own + 1, 0)] {
            let count = count()?;
            let filtered = || -> Result<Filtered<Any>> {
                let spec = FilterSpec {
                    pid: Some(pid),
                    ..FilterSpec::default()
                };
                Ok(Filtered::new(Filter::new(&spec)?, Any(count.clone())))
            };
            let entry = KBox::pin_init(
                EntryHook::<tackle::ftrace::TypedEntry<Twice, _>>::typed(filtered()?),
                GFP_KERNEL,
            )?;
            twice(1);
            drop(entry);
            expect_eq!(count.load(Relaxed), calls);
            let exit = KBox::pin_init(
                ExitHook::<tackle::ftrace::TypedExit<Twice, _>>::typed(filtered()?),
                GFP_KERNEL,
            )?;
            twice(1);
            drop(exit);
            expect_eq!(count.load(Relaxed), 102 * calls);
            let skip = OverrideHook::<Twice, _>::new(filtered()?);
            let skip = KBox::pin_init(skip, GFP_KERNEL)?;
            expect_eq!(twice(3), if calls == 1 { 1 } else { 6 });
            drop(skip);
            expect_eq!(count.load(Relaxed), 103 * calls);
        }
        Ok(())
    }
}
