// SPDX-License-Identifier: GPL-2.0

//! Tests the lookup of the addresses of kernel functions.

use kernel::prelude::*;

#[kunit_tests(tackle_symbol)]
mod tests {
    use crate::hook::FUNCTION;
    use kernel::prelude::*;
    use tackle::{expect_eq, fault, kunit::Faults, symbol::lookup};

    #[test]
    fn a_function_has_the_linkers_address() -> Result {
        expect_eq!(
            lookup(c"kstrtobool")?,
            kernel::bindings::kstrtobool as usize
        );
        expect_eq!(lookup(c"schedule")?, kernel::bindings::schedule as usize);
        Ok(())
    }

    #[test]
    fn a_modules_function_is_found_by_its_module() -> Result {
        expect_eq!(lookup(FUNCTION).is_ok(), true);
        expect_eq!(lookup(c"tackle_kunit:rust_helper_kunit_half"), Err(ENOENT));
        expect_eq!(
            lookup(c"no_such_module:rust_helper_kunit_half"),
            Err(ENOENT)
        );
        Ok(())
    }

    #[test]
    fn a_missing_name_is_enoent() -> Result {
        expect_eq!(lookup(c"tackle_no_such_function"), Err(ENOENT));
        expect_eq!(lookup(c""), Err(ENOENT));
        Ok(())
    }

    #[test]
    fn a_function_without_kprobes_is_found() -> Result {
        expect_eq!(
            lookup(c"get_kprobe").is_ok_and(|address| address != 0),
            true
        );
        Ok(())
    }

    #[test]
    fn data_is_found() -> Result {
        expect_eq!(lookup(c"init_task").is_ok_and(|address| address != 0), true);
        Ok(())
    }

    #[test]
    fn a_second_look_finds_the_same() -> Result {
        let first = lookup(FUNCTION)?;
        expect_eq!(lookup(FUNCTION)?, first);
        Ok(())
    }

    #[test]
    fn a_look_can_fail_once() -> Result {
        let _faults = Faults::next(1);
        expect_eq!(lookup(c"schedule"), Err(ENOMEM));
        expect_eq!(lookup(c"schedule").is_ok(), true);
        expect_eq!(fault::SYMBOL_LOOKUP.check(), Ok(()));
        Ok(())
    }
}
