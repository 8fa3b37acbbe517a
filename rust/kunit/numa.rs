// SPDX-License-Identifier: GPL-2.0

//! Tests the data of NUMA nodes, and the registration of observers, controllers and policies.

use kernel::prelude::*;

#[kunit_tests(tackle_numa)]
mod tests {
    use kernel::prelude::*;
    use tackle::{
        expect_eq,
        kunit::Faults,
        numa::{
            self, Control, Controller, Events, Observer, Policy, PolicyRegistration, Registration,
        },
    };

    struct Nothing;

    impl Observer for Nothing {}
    impl Controller for Nothing {}
    impl Policy for Nothing {}

    #[test]
    fn the_first_node_is_online() -> Result {
        expect_eq!(numa::is_online(0), true);
        expect_eq!(numa::nodes() > 0, true);
        expect_eq!(numa::cpus(0) > 0, true);
        expect_eq!(numa::free_pages(0) > 0, true);
        expect_eq!(numa::distance(0, 0), Some(10));
        expect_eq!(numa::node_of_cpu(0).is_some_and(numa::is_online), true);
        Ok(())
    }

    #[test]
    fn a_node_that_cannot_be_is_not_online() -> Result {
        for node in [1 << 10, i32::MAX as usize, 1 << 31, 1 << 32, usize::MAX] {
            expect_eq!(numa::is_online(node), false);
            expect_eq!(numa::cpus(node), 0);
            expect_eq!(numa::free_pages(node), 0);
            expect_eq!(numa::distance(0, node), None);
            expect_eq!(numa::distance(node, 0), None);
        }
        expect_eq!(numa::node_of_cpu(u32::MAX), None);
        Ok(())
    }

    #[test]
    fn an_observer_needs_an_event() -> Result {
        expect_eq!(Registration::new(Nothing, Events::NONE).err(), Some(EINVAL));
        Ok(())
    }

    #[test]
    fn all_events_can_be_observed() -> Result {
        expect_eq!(Registration::<Nothing>::available(Events::ALL), Events::ALL);
        let registration = Registration::new(Nothing, Events::ALL)?;
        expect_eq!(registration.events(), Events::ALL);
        // A second observer hooks the same functions.
        let other = Registration::new(Nothing, Events::ALL)?;
        drop(registration);
        expect_eq!(other.missed().total(), 0);
        Ok(())
    }

    #[test]
    fn there_is_one_policy_and_one_controller() -> Result {
        let policy = PolicyRegistration::new(Nothing)?;
        expect_eq!(PolicyRegistration::new(Nothing).err(), Some(EBUSY));
        let control = Control::new(Nothing)?;
        expect_eq!(Control::new(Nothing).err(), Some(EBUSY));
        drop(policy);
        // The overrides that the controller shared with the policy still exist.
        expect_eq!(Control::new(Nothing).err(), Some(EBUSY));
        let policy = PolicyRegistration::new(Nothing)?;
        drop(control);
        expect_eq!(PolicyRegistration::new(Nothing).err(), Some(EBUSY));
        drop(policy);
        drop(Control::new(Nothing)?);
        Ok(())
    }

    #[test]
    fn a_policy_that_fails_leaves_no_hook_behind() -> Result {
        for spared in 0.. {
            let faults = Faults::after(spared);
            let registered = PolicyRegistration::new(Nothing);
            drop(faults);
            if registered.is_ok() {
                // There are fewer points than `spared`, so none has failed.
                expect_eq!(spared > 3, true);
                return Ok(());
            }
            expect_eq!(registered.err(), Some(ENOMEM));
        }
        Err(EINVAL)
    }

    #[test]
    fn all_tasks_are_visited() -> Result {
        let (mut tasks, mut current) = (0, false);
        numa::each_task(|task| {
            tasks += 1;
            current |= task.address() == tackle::task::current_address();
            // These methods must also work for kernel threads, which have no address space.
            let _ = (
                task.node(),
                task.load(),
                task.runtime_ms(),
                task.resident_share(),
            );
        });
        expect_eq!(tasks > 1 && current, true);
        Ok(())
    }

    #[test]
    fn what_fails_leaves_no_hook_behind() -> Result {
        let events = Events::HINT | Events::SKIP | Events::EXIT;
        for spared in 0.. {
            let faults = Faults::after(spared);
            let registered = Registration::new(Nothing, events);
            drop(faults);
            if registered.is_ok() {
                // There are fewer points than `spared`, so none has failed.
                expect_eq!(spared > 3, true);
                return Ok(());
            }
            expect_eq!(registered.err(), Some(ENOMEM));
        }
        Err(EINVAL)
    }
}
