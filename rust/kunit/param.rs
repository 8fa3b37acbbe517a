// SPDX-License-Identifier: GPL-2.0

//! Tests string parameters of modules.

use kernel::prelude::*;

tackle::string_param! {
    /// The module is loaded with `given=seven77`, which has the largest length for this parameter.
    static GIVEN: StringParam<8> = "given", "For the tests: give seven77";
}

tackle::string_param! {
    /// The module is loaded without this parameter.
    static ABSENT: StringParam<8> = "absent", "For the tests: do not give it";
}

#[kunit_tests(tackle_param)]
mod tests {
    use super::{ABSENT, GIVEN};
    use kernel::prelude::*;
    use tackle::{expect_eq, param::StringParam};

    #[test]
    fn what_is_given_fills_the_parameter() -> Result {
        expect_eq!(GIVEN.value(), c"seven77");
        Ok(())
    }

    #[test]
    fn what_is_not_given_is_empty() -> Result {
        expect_eq!(ABSENT.value(), c"");
        expect_eq!(StringParam::<1>::default().value(), c"");
        Ok(())
    }
}
