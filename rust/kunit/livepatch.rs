// SPDX-License-Identifier: GPL-2.0

//! Live patches: the functions that can be replaced, and a patch that is refused.

use kernel::{prelude::*, seq_file::SeqFile};
use tackle::livepatch::{targets::CmdlineProcShow, Func, Funcs, Patch, SeqShow};

/// Leaves `/proc/cmdline` empty.
struct Empty;

impl SeqShow for Empty {
    type Target = CmdlineProcShow;

    fn show(_: &SeqFile) -> Result {
        Ok(())
    }
}

static FUNCS: Funcs<1> = Funcs::new([Func::seq_show::<Empty>()]);
static PATCH: Patch = Patch::new(&FUNCS);

#[kunit_tests(tackle_livepatch)]
mod tests {
    use super::PATCH;
    use crate::{
        hook::{hook, Seen},
        TackleKunit,
    };
    use kernel::{module::this_module, prelude::*};
    use tackle::{
        expect_eq,
        kunit::Faults,
        livepatch::{targets::CmdlineProcShow, Target},
    };

    #[test]
    fn every_target_is_a_function_that_can_be_traced() -> Result {
        expect_eq!(hook(CmdlineProcShow::NAME, &Seen::new()?).err(), None);
        Ok(())
    }

    #[test]
    fn a_module_without_the_mark_is_einval() -> Result {
        let module = this_module::<TackleKunit>();
        expect_eq!(PATCH.enable(module), Err(EINVAL));
        // Not EBUSY: it was not enabled.
        expect_eq!(PATCH.enable(module), Err(EINVAL));
        Ok(())
    }

    #[test]
    fn a_fault_comes_before_the_core() -> Result {
        let module = this_module::<TackleKunit>();
        let faults = Faults::next(1);
        expect_eq!(PATCH.enable(module), Err(ENOMEM));
        expect_eq!(PATCH.enable(module), Err(EINVAL));
        drop(faults);
        Ok(())
    }
}
