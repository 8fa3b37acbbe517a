// SPDX-License-Identifier: GPL-2.0

//! Tests entry hooks on several functions or on addresses, and direct hooks.

use kernel::prelude::*;

#[kunit_tests(tackle_ftrace_kinds)]
mod tests {
    use crate::hook::{call, Seen, FUNCTION};
    use kernel::{
        prelude::*,
        sync::{
            atomic::{Atomic, Relaxed},
            Arc,
        },
    };
    use tackle::{
        expect_eq,
        ftrace::{
            Call, DirectHandler, DirectHook, EntryHandler, EntryHook, Pattern, Target, Targets,
            MAX_ARGUMENTS,
        },
        kunit::half,
        symbol,
    };

    /// Another function that can be traced.
    const OTHER: &CStr = c"tackle:rust_helper_kunit_alloc_packet";

    struct Count(Arc<Seen>);

    impl EntryHandler for Count {
        fn entry(&self, _call: &Call) {
            self.0.calls.fetch_add(1, Relaxed);
        }
    }

    fn count<'a>(
        targets: impl Into<Targets<'a>> + 'a,
        seen: &Arc<Seen>,
    ) -> Result<Pin<KBox<EntryHook<Count>>>> {
        KBox::pin_init(EntryHook::new(targets, Count(seen.clone())), GFP_KERNEL)
    }

    fn address() -> Result<usize> {
        symbol::lookup(FUNCTION)
    }

    #[test]
    fn a_pattern_hooks_what_matches() -> Result {
        let (all, some, none) = (Seen::new()?, Seen::new()?, Seen::new()?);
        let pattern = Pattern::new(c"rust_helper_kunit_ha*").module(c"tackle");
        let _all = count(pattern, &all)?;
        let rest = count(pattern.except(c"*_half"), &some);
        expect_eq!(rest.err(), Some(ENOENT));
        let other = count(
            Pattern::new(c"rust_helper_kunit_ha*").module(c"ext4"),
            &none,
        );
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
            Target::new(OTHER),
            Target::new(FUNCTION),
        ];
        let _hook = count(&targets[..], &seen)?;
        call(0..3);
        expect_eq!(seen.calls(), 3);
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
        // This is the address of data.
        let addresses = [symbol::lookup(c"init_task")?];
        expect_eq!(count(&addresses[..], &seen).err(), Some(EINVAL));
        Ok(())
    }

    #[test]
    fn overlapping_hooks_all_see_a_call() -> Result {
        let (one, two) = (Seen::new()?, Seen::new()?);
        let _one = count(FUNCTION, &one)?;
        let targets = [Target::new(FUNCTION), Target::new(OTHER)];
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
        // A module that is loaded must have the function.
        let missing = Target::new(c"tackle:no_such_function").when_loaded();
        expect_eq!(count(missing, &seen).err(), Some(ENOENT));
        Ok(())
    }

    struct Bare;

    static DIRECT: [Atomic<usize>; 3] = [const { Atomic::new(0) }; 3];

    impl DirectHandler for Bare {
        fn entry(arguments: [usize; MAX_ARGUMENTS], parent_ip: usize) {
            DIRECT[0].fetch_add(1, Relaxed);
            DIRECT[1].store(arguments[0], Relaxed);
            DIRECT[2].store(parent_ip, Relaxed);
            // The hook does not see this call, because a handler makes it.
            half(0);
        }
    }

    #[test]
    fn a_direct_hook_gets_the_arguments() -> Result {
        let calls = || DIRECT[0].load(Relaxed);
        let hook = KBox::pin_init(DirectHook::<Bare>::new(FUNCTION), GFP_KERNEL)?;
        call(0..20);
        expect_eq!(calls(), 20);
        expect_eq!(DIRECT[1].load(Relaxed), 19);
        // A function can have one direct hook at most, and any number of other hooks.
        let second = KBox::pin_init(DirectHook::<Bare>::new(FUNCTION), GFP_KERNEL);
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
}
