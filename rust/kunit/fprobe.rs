// SPDX-License-Identifier: GPL-2.0

//! Hooks at the exit of a function: what the entry tells them, and what is returned.

use kernel::prelude::*;

#[kunit_tests(tackle_fprobe)]
mod tests {
    use crate::hook::fail_each;
    use kernel::{
        prelude::*,
        sync::atomic::{Atomic, Relaxed},
    };
    use tackle::{
        expect_eq, fault,
        fprobe::{Handler, Registration, Return},
        ftrace::Call,
        kunit::twice,
    };

    const FUNCTION: &CStr = c"tackle:rust_helper_kunit_twice";

    /// What is told of a call: as many registers as there is room for.
    type Data = [usize; 14];

    /// The number of 32 bits that a register holds.
    fn number(register: usize) -> usize {
        // CAST: What is above them can be anything.
        register as u32 as usize
    }

    /// Looks at the exits of calls with odd numbers alone.
    struct Odd {
        entries: Atomic<usize>,
        exits: Atomic<usize>,
        /// Exits that were told something else than their call's entry had to tell.
        wrong: Atomic<usize>,
        /// The sum of what was returned.
        sum: Atomic<usize>,
    }

    impl Handler for Odd {
        type Data = Data;

        fn entry(&self, call: &Call) -> Option<Data> {
            self.entries.fetch_add(1, Relaxed);
            let n = number(call.argument(0)?);
            let mut data = [n; 14];
            data[13] = call.ip();
            (n % 2 == 1).then_some(data)
        }

        fn exit(&self, ret: &Return, data: Data) {
            self.exits.fetch_add(1, Relaxed);
            let value = number(ret.value());
            self.sum.fetch_add(value, Relaxed);
            let of_entry = |n: usize| data[..13].iter().all(|&word| word == n);
            if !(of_entry(value / 2) && data[13] == ret.ip()) {
                self.wrong.fetch_add(1, Relaxed);
            }
        }
    }

    impl Odd {
        fn seen(&self) -> (usize, usize, usize) {
            let load = |count: &Atomic<usize>| count.load(Relaxed);
            (load(&self.entries), load(&self.exits), load(&self.wrong))
        }
    }

    fn hook(function: &CStr) -> Result<Pin<KBox<Registration<Odd>>>> {
        let none = || Atomic::new(0);
        let odd = Odd {
            entries: none(),
            exits: none(),
            wrong: none(),
            sum: none(),
        };
        KBox::pin_init(Registration::new(function, odd), GFP_KERNEL)
    }

    #[test]
    fn an_exit_gets_what_the_entry_has_told() -> Result {
        let hook = hook(FUNCTION)?;
        for n in 0..10 {
            expect_eq!(twice(n), 2 * n);
        }
        expect_eq!(hook.handler().seen(), (10, 5, 0));
        expect_eq!(hook.missed(), 0);
        Ok(())
    }

    #[test]
    fn what_is_returned_is_told() -> Result {
        let hook = hook(FUNCTION)?;
        for n in [1, 20, 300, 4001] {
            twice(n);
        }
        expect_eq!(hook.handler().sum.load(Relaxed), 2 + 8002);
        Ok(())
    }

    #[test]
    fn two_on_a_function_keep_their_data_apart() -> Result {
        let (one, two) = (hook(FUNCTION)?, hook(FUNCTION)?);
        twice(7);
        drop(one);
        twice(9);
        expect_eq!(two.handler().seen(), (2, 2, 0));
        Ok(())
    }

    #[test]
    fn what_cannot_be_hooked_is_refused() -> Result {
        expect_eq!(hook(c"tackle_no_such_function").err(), Some(ENOENT));
        expect_eq!(hook(c"init_task").err(), Some(EINVAL));
        Ok(())
    }

    #[test]
    fn each_step_can_fail_and_leaves_nothing() -> Result {
        let points = [
            &fault::ALLOC_PERCPU,
            &fault::SYMBOL_LOOKUP,
            &fault::REGISTER_FPROBE,
        ];
        let hook = fail_each(
            &points,
            || hook(FUNCTION),
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
