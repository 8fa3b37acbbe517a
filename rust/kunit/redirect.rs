// SPDX-License-Identifier: GPL-2.0

//! Tests redirects, which run another function instead of the one that is called.

use kernel::prelude::*;

#[kunit_tests(tackle_redirect)]
mod tests {
    use crate::hook::{fail_each, hook, Seen};
    use kernel::{ffi::c_int, prelude::*};
    use tackle::{
        expect_eq, fault,
        ftrace::Redirect,
        function::Original,
        kunit::{twice, Twice},
    };

    /// Returns three times an even number. For an odd number calls the original function.
    fn thrice(original: Original<'_, Twice>, n: c_int) -> c_int {
        if n % 2 == 0 {
            3 * n
        } else {
            original.call()
        }
    }

    /// Returns the sum of the numbers up to `n`. Its own calls of [`twice`] are redirected, too.
    fn sum(_: Original<'_, Twice>, n: c_int) -> c_int {
        if n == 0 {
            0
        } else {
            n + twice(n - 1)
        }
    }

    /// Redirects the function. All tests use this one place in the code, as a module would.
    fn redirect() -> Result<Pin<KBox<Redirect>>> {
        KBox::pin_init(tackle::redirect!(Twice => thrice), GFP_KERNEL)
    }

    #[test]
    fn calls_go_on_in_the_replacement() -> Result {
        let redirect = redirect()?;
        expect_eq!([twice(4), twice(-4), twice(5)], [12, -12, 10]);
        expect_eq!(redirect.redirected(), 3);
        drop(redirect);
        expect_eq!(twice(4), 8);
        Ok(())
    }

    #[test]
    fn a_replacement_is_redirected_too() -> Result {
        let _redirect = KBox::pin_init(tackle::redirect!(Twice => sum), GFP_KERNEL)?;
        expect_eq!(twice(10), 55);
        Ok(())
    }

    #[test]
    fn there_is_one_on_a_function() -> Result {
        let first = redirect()?;
        // A second redirect is refused, from the same place in the code and from another one.
        expect_eq!(redirect().err(), Some(EBUSY));
        let other = KBox::pin_init(tackle::redirect!(Twice => sum), GFP_KERNEL);
        expect_eq!(other.err(), Some(EBUSY));
        expect_eq!((twice(4), first.redirected()), (12, 1));
        drop(first);
        let again = redirect()?;
        expect_eq!((twice(4), again.redirected()), (12, 1));
        Ok(())
    }

    #[test]
    fn hooks_see_what_is_redirected() -> Result {
        let seen = Seen::new()?;
        let function = c"tackle:rust_helper_kunit_twice";
        let before = hook(function, &seen)?;
        let redirect = redirect()?;
        expect_eq!((twice(4), seen.calls()), (12, 1));
        drop(before);
        let _after = hook(function, &seen)?;
        // The hook does not see the call of the original, which skips the entry of the function.
        expect_eq!((twice(5), seen.calls()), (10, 2));
        drop(redirect);
        expect_eq!((twice(4), seen.calls()), (8, 3));
        Ok(())
    }

    #[test]
    fn each_step_can_fail() -> Result {
        let points = [
            &fault::ALLOC_PERCPU,
            &fault::ALLOC_PERCPU,
            &fault::SYMBOL_LOOKUP,
            &fault::FTRACE_SET_FILTER,
            &fault::REGISTER_FTRACE_FUNCTION,
        ];
        let none = || {
            expect_eq!(twice(4), 8);
            Ok(())
        };
        let _redirect = fail_each(&points, redirect, none)?;
        expect_eq!(twice(4), 12);
        Ok(())
    }
}
