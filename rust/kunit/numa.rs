// SPDX-License-Identifier: GPL-2.0

//! NUMA nodes, and the arguments of a hinting fault.

use kernel::prelude::*;

#[kunit_tests(tackle_numa)]
mod tests {
    use crate::hook::{hook, hook_with, Seen};
    use kernel::{
        prelude::*,
        sync::atomic::{Atomic, Relaxed},
    };
    use tackle::{
        expect_eq,
        kunit::Packet,
        numa::{is_online, HintingFault},
    };

    #[test]
    fn the_first_node_is_online() -> Result {
        expect_eq!(is_online(0), true);
        Ok(())
    }

    #[test]
    fn a_node_that_cannot_be_is_not_online() -> Result {
        for node in [1 << 10, i32::MAX as usize, 1 << 31, 1 << 32, usize::MAX] {
            expect_eq!(is_online(node), false);
        }
        Ok(())
    }

    #[test]
    fn hinting_faults_can_be_hooked() -> Result {
        expect_eq!(hook(HintingFault::FUNCTION, &Seen::new()?).err(), None);
        Ok(())
    }

    /// The arguments of a function with the types of the first three of
    /// `task_numa_fault()`: what is made of `mem_node` and `pages`.
    fn fault_of(mem_node: u32, pages: u8) -> Result<(i64, i64)> {
        static NODE: Atomic<i64> = Atomic::new(0);
        static PAGES: Atomic<i64> = Atomic::new(0);
        let _hook = hook_with(
            c"tackle:rust_helper_kunit_alloc_packet",
            &Seen::new()?,
            |call| {
                let fault = HintingFault::of(call);
                NODE.store(
                    fault.as_ref().map_or(-1, |fault| fault.node as i64),
                    Relaxed,
                );
                PAGES.store(fault.map_or(-1, |fault| fault.pages as i64), Relaxed);
            },
        )?;
        Packet::ipv4(100, mem_node, pages)?;
        Ok((NODE.load(Relaxed), PAGES.load(Relaxed)))
    }

    #[test]
    fn a_fault_has_its_node_and_pages() -> Result {
        expect_eq!(fault_of(1, 200)?, (1, 200));
        expect_eq!(fault_of(i32::MAX as u32, 0)?, (i32::MAX.into(), 0));
        Ok(())
    }

    #[test]
    fn a_negative_node_is_no_fault() -> Result {
        expect_eq!(fault_of(u32::MAX, 1)?, (-1, -1));
        Ok(())
    }
}
