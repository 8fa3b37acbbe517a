// SPDX-License-Identifier: GPL-2.0

//! Tests live patches: that the functions in `targets` exist, and that a patch can be refused.

use kernel::{
    bindings::seq_file,
    ffi::{c_int, c_void},
    prelude::*,
};
use tackle::{
    function::{targets::CmdlineProcShow, Pointer},
    livepatch::Original,
};

/// Leaves `/proc/cmdline` empty.
fn empty(
    _: Original<'_, CmdlineProcShow>,
    _: Pointer<'_, *mut seq_file>,
    _: Pointer<'_, *mut c_void>,
) -> c_int {
    0
}

tackle::patch! {
    static PATCH;
    objects: [{ functions: [CmdlineProcShow => empty] }],
}

tackle::patch! {
    static FAILING;
    objects: [{ functions: [CmdlineProcShow => empty] }],
}

#[kunit_tests(tackle_livepatch)]
mod tests {
    use super::{FAILING, PATCH};
    use crate::{
        hook::{hook, Seen},
        TackleKunit,
    };
    use kernel::{module::this_module, prelude::*};
    use tackle::{
        expect_eq,
        function::{
            targets::{CmdlineProcShow, Getpid, MeminfoProcShow},
            Function,
        },
        kunit::Faults,
    };

    #[test]
    fn every_target_is_a_function_that_can_be_traced() -> Result {
        for name in [CmdlineProcShow::NAME, MeminfoProcShow::NAME, Getpid::NAME] {
            expect_eq!(hook(name, &Seen::new()?).err(), None);
        }
        Ok(())
    }

    #[test]
    fn a_module_without_the_mark_is_einval() -> Result {
        let module = this_module::<TackleKunit>();
        expect_eq!(PATCH.enable(module, false), Err(EINVAL));
        // A patch can be enabled only once, even if that has failed.
        expect_eq!(PATCH.enable(module, false), Err(EBUSY));
        Ok(())
    }

    #[test]
    fn a_fault_comes_before_the_core() -> Result {
        let module = this_module::<TackleKunit>();
        let faults = Faults::next(1);
        expect_eq!(FAILING.enable(module, false), Err(ENOMEM));
        expect_eq!(FAILING.enable(module, false), Err(EINVAL));
        drop(faults);
        Ok(())
    }
}
