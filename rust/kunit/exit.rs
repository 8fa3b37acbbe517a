// SPDX-License-Identifier: GPL-2.0

//! Tests hooks at the exit of a function, by a trampoline and by fprobe.

use kernel::prelude::*;

#[kunit_tests(tackle_exit)]
mod tests {
    use crate::hook::fail_each;
    use kernel::{
        ffi::c_int,
        prelude::*,
        sync::atomic::{Atomic, Relaxed},
    };
    use tackle::{
        expect_eq, fault,
        ftrace::{
            Call, DirectHandler, DirectHook, ExitHandler, ExitHook, Mechanism, Return, TypedExit,
            TypedExitHandler,
        },
        kunit::{twice, Twice},
    };

    const FUNCTION: &CStr = c"tackle:rust_helper_kunit_twice";

    /// The largest data that a hook can keep for a call.
    type Data = [usize; 8];

    /// Returns the 32-bit number that a register holds.
    fn number(register: usize) -> usize {
        // CAST: The upper bits of the register have no meaning.
        register as u32 as usize
    }

    /// A handler that wants the exits of calls with an odd argument only.
    struct Odd {
        entries: Atomic<usize>,
        exits: Atomic<usize>,
        /// The number of exits with other data than the entry of their call has returned.
        wrong: Atomic<usize>,
        /// The sum of the return values.
        sum: Atomic<usize>,
    }

    impl Odd {
        fn new() -> Self {
            let none = || Atomic::new(0);
            Self {
                entries: none(),
                exits: none(),
                wrong: none(),
                sum: none(),
            }
        }

        fn seen(&self) -> (usize, usize, usize) {
            let load = |count: &Atomic<usize>| count.load(Relaxed);
            (load(&self.entries), load(&self.exits), load(&self.wrong))
        }

        fn begins(&self, n: usize, ip: usize) -> Option<Data> {
            self.entries.fetch_add(1, Relaxed);
            let mut data = [n; 8];
            data[7] = ip;
            (n % 2 == 1).then_some(data)
        }

        fn returns(&self, value: usize, ip: usize, data: Data) {
            self.exits.fetch_add(1, Relaxed);
            self.sum.fetch_add(value, Relaxed);
            let of_entry = |n: usize| data[..7].iter().all(|&word| word == n);
            if !(of_entry(value / 2) && data[7] == ip) {
                self.wrong.fetch_add(1, Relaxed);
            }
        }
    }

    impl ExitHandler for Odd {
        type Data = Data;

        fn entry(&self, call: &Call) -> Option<Data> {
            self.begins(number(call.argument(0)?), call.ip())
        }

        fn exit(&self, ret: &Return, data: Data) {
            self.returns(number(ret.value()), ret.ip(), data);
        }
    }

    impl TypedExitHandler<Twice> for Odd {
        type Data = Data;

        fn entry(&self, call: &Call, (n,): (c_int,)) -> Option<Data> {
            self.begins(n as usize, call.ip())
        }

        fn exit(&self, ret: &Return, value: c_int, data: Data) {
            self.returns(value as usize, ret.ip(), data);
        }
    }

    type Typed = Pin<KBox<ExitHook<TypedExit<Twice, Odd>>>>;

    fn typed() -> Result<Typed> {
        KBox::pin_init(ExitHook::typed(Odd::new()), GFP_KERNEL)
    }

    /// Hooks a function by its name. The hook uses fprobe, because the prototype is not known: the
    /// module has no BTF.
    fn untyped(function: &CStr) -> Result<Pin<KBox<ExitHook<Odd>>>> {
        KBox::pin_init(ExitHook::new(function, Odd::new()), GFP_KERNEL)
    }

    fn is_by_trampoline(hook: &Typed) -> bool {
        matches!(hook.mechanism(), Some(Mechanism::Trampoline(_)))
    }

    #[test]
    fn an_exit_gets_the_data_of_its_entry() -> Result {
        let hook = typed()?;
        for n in 0..10 {
            expect_eq!(twice(n), 2 * n);
        }
        expect_eq!(is_by_trampoline(&hook), true);
        expect_eq!(hook.handler().handler().seen(), (10, 5, 0));
        expect_eq!(hook.missed().total(), 0);
        Ok(())
    }

    #[test]
    fn an_fprobe_does_the_same() -> Result {
        let hook = untyped(FUNCTION)?;
        for n in 0..10 {
            expect_eq!(twice(n), 2 * n);
        }
        expect_eq!(hook.mechanism(), Some(Mechanism::Fprobe));
        expect_eq!(hook.handler().seen(), (10, 5, 0));
        expect_eq!(hook.missed().total(), 0);
        Ok(())
    }

    #[test]
    fn an_exit_gets_what_is_returned() -> Result {
        let (hook, fprobe) = (typed()?, untyped(FUNCTION)?);
        for n in [1, 20, 300, 4001] {
            twice(n);
        }
        expect_eq!(hook.handler().handler().sum.load(Relaxed), 2 + 8002);
        expect_eq!(fprobe.handler().sum.load(Relaxed), 2 + 8002);
        Ok(())
    }

    #[test]
    fn two_on_a_function_keep_their_data_apart() -> Result {
        let (one, two) = (typed()?, typed()?);
        twice(7);
        expect_eq!(one.mechanism(), two.mechanism());
        drop(one);
        twice(9);
        let three = typed()?;
        twice(11);
        expect_eq!(two.handler().handler().seen(), (3, 3, 0));
        expect_eq!(three.handler().handler().seen(), (1, 1, 0));
        Ok(())
    }

    #[test]
    fn a_hook_without_room_in_the_frame_is_an_fprobe() -> Result {
        let hooks = [typed()?, typed()?, typed()?, typed()?];
        twice(3);
        for hook in &hooks {
            expect_eq!(hook.handler().handler().seen(), (1, 1, 0));
        }
        let by_trampoline = hooks.iter().filter(|hook| is_by_trampoline(hook)).count();
        expect_eq!(by_trampoline, 3);
        Ok(())
    }

    struct Bare;

    impl DirectHandler for Bare {
        fn entry(_arguments: [usize; 6], _parent_ip: usize) {}
    }

    #[test]
    fn a_hook_beside_another_direct_call_is_an_fprobe() -> Result {
        let direct = KBox::pin_init(DirectHook::<Bare>::new(FUNCTION), GFP_KERNEL)?;
        let hook = typed()?;
        twice(5);
        expect_eq!(is_by_trampoline(&hook), false);
        expect_eq!(hook.handler().handler().seen(), (1, 1, 0));
        drop(direct);
        drop(hook);
        expect_eq!(is_by_trampoline(&typed()?), true);
        Ok(())
    }

    #[test]
    fn functions_that_cannot_be_hooked_are_refused() -> Result {
        expect_eq!(untyped(c"tackle_no_such_function").err(), Some(ENOENT));
        expect_eq!(untyped(c"init_task").err(), Some(EINVAL));
        Ok(())
    }

    #[test]
    fn each_step_can_fail_and_leaves_nothing() -> Result {
        let points = [
            &fault::SYMBOL_LOOKUP,
            &fault::FTRACE_SITE_ALLOC,
            // For the hook on `do_exit()`.
            &fault::SYMBOL_LOOKUP,
            &fault::FTRACE_SET_FILTER,
            &fault::REGISTER_FTRACE_FUNCTION,
            // For the trampoline.
            &fault::ALLOC_PERCPU,
            &fault::ALLOC_PERCPU,
            &fault::REGISTER_FTRACE_DIRECT,
            &fault::FTRACE_SET_FILTER,
        ];
        let hook = fail_each(&points, typed, || {
            expect_eq!(twice(1), 2);
            Ok(())
        })?;
        twice(1);
        expect_eq!(hook.handler().handler().seen(), (1, 1, 0));
        drop(hook);

        let points = [&fault::SYMBOL_LOOKUP, &fault::REGISTER_FPROBE];
        let hook = fail_each(
            &points,
            || untyped(FUNCTION),
            || {
                expect_eq!(twice(1), 2);
                Ok(())
            },
        )?;
        twice(1);
        expect_eq!(hook.handler().seen(), (1, 1, 0));
        Ok(())
    }
}
