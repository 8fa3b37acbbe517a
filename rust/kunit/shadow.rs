// SPDX-License-Identifier: GPL-2.0

//! Tests shadow variables: everything that the kernel's `test_klp_shadow_vars.c` tests, and the
//! types of the values.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use kernel::prelude::*;
use tackle::livepatch::Shadow;

/// A value whose drops are counted in `DROPPED`.
struct Counted {
    number: u32,
}

static DROPPED: AtomicU32 = AtomicU32::new(0);

impl Drop for Counted {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Relaxed);
        // The lock of the kernel's shadow variables must not be held here. If it were, this call
        // would wait for it forever.
        OTHER.free(&*self);
    }
}

static COUNTED: Shadow<Counted> = Shadow::new(0x1000);
static OTHER: Shadow<u32> = Shadow::new(0x1001);
static SHARED: Shadow<AtomicU32> = Shadow::shared(0x1002);
static SHARED_TOO: Shadow<AtomicU32> = Shadow::shared(0x1002);
static SHARED_OTHERWISE: Shadow<u32> = Shadow::shared(0x1002);
static NOT_SHARED: Shadow<AtomicU32> = Shadow::new(0x1002);

fn counted(number: u32) -> Counted {
    Counted { number }
}

#[kunit_tests(tackle_shadow)]
mod tests {
    use super::*;
    use tackle::{
        expect_eq,
        kunit::Faults,
        livepatch::{AnyShadow, Shadows},
    };

    static BOTH: &[&dyn AnyShadow] = &[&COUNTED, &OTHER];

    fn number(object: &u8) -> Option<u32> {
        COUNTED.get(object).map(|counted| counted.number)
    }

    fn dropped() -> u32 {
        DROPPED.load(Relaxed)
    }

    #[test]
    fn a_variable_belongs_to_an_object_and_an_id() -> Result {
        let shadows = Shadows::register(BOTH)?;
        let objects = [0u8; 3];
        expect_eq!(number(&objects[0]), None);
        COUNTED.alloc(&objects[0], counted(10), GFP_KERNEL)?;
        COUNTED.alloc(&objects[1], counted(11), GFP_ATOMIC)?;
        OTHER.alloc(&objects[0], 20, GFP_KERNEL)?;
        expect_eq!(number(&objects[0]), Some(10));
        expect_eq!(number(&objects[1]), Some(11));
        expect_eq!(number(&objects[2]), None);
        expect_eq!(OTHER.get(&objects[0]).map(|value| *value), Some(20));
        expect_eq!(OTHER.get(&objects[1]).map(|value| *value), None);
        drop(shadows);
        Ok(())
    }

    #[test]
    fn there_is_one_variable_at_most() -> Result {
        let shadows = Shadows::register(BOTH)?;
        let object = 0u8;
        let before = dropped();
        COUNTED.alloc(&object, counted(1), GFP_KERNEL)?;
        let second = COUNTED.alloc(&object, counted(2), GFP_KERNEL);
        expect_eq!(second.err(), Some(EEXIST));
        expect_eq!(dropped() - before, 1);
        let found = COUNTED.get_or_alloc(&object, || counted(3), GFP_KERNEL)?;
        expect_eq!(found.number, 1);
        COUNTED.free(&object);
        let made = COUNTED.get_or_alloc(&object, || counted(4), GFP_KERNEL)?;
        expect_eq!(made.number, 4);
        drop(shadows);
        Ok(())
    }

    #[test]
    fn a_value_is_dropped_once_when_nobody_refers_to_it() -> Result {
        let shadows = Shadows::register(BOTH)?;
        let object = 0u8;
        let before = dropped();
        let value = COUNTED.alloc(&object, counted(5), GFP_KERNEL)?;
        let again = value.clone();
        COUNTED.free(&object);
        COUNTED.free(&object);
        expect_eq!(number(&object), None);
        expect_eq!(dropped() - before, 0);
        drop(value);
        expect_eq!(again.number, 5);
        expect_eq!(dropped() - before, 0);
        drop(again);
        expect_eq!(dropped() - before, 1);
        drop(shadows);
        expect_eq!(dropped() - before, 1);
        Ok(())
    }

    #[test]
    fn all_variables_of_an_id_are_freed_at_once() -> Result {
        let shadows = Shadows::register(BOTH)?;
        let objects = [0u8; 4];
        let before = dropped();
        for object in &objects {
            COUNTED.alloc(object, counted(6), GFP_KERNEL)?;
            OTHER.alloc(object, 7, GFP_KERNEL)?;
        }
        COUNTED.free_all();
        expect_eq!(dropped() - before, 4);
        for object in &objects {
            expect_eq!(number(object), None);
            expect_eq!(OTHER.get(object).map(|value| *value), Some(7));
        }
        drop(shadows);
        Ok(())
    }

    #[test]
    fn the_last_user_takes_the_variables_with_it() -> Result {
        let object = 0u8;
        let before = dropped();
        let shadows = Shadows::register(BOTH)?;
        COUNTED.alloc(&object, counted(8), GFP_KERNEL)?;
        drop(shadows);
        expect_eq!(dropped() - before, 1);
        // While no user is registered, there are no variables, and none can be allocated.
        expect_eq!(number(&object), None);
        let refused = COUNTED.alloc(&object, counted(9), GFP_KERNEL);
        expect_eq!(refused.err(), Some(ENOENT));
        drop(Shadows::register(BOTH)?);
        Ok(())
    }

    #[test]
    fn shared_variables_are_taken_over() -> Result {
        static FIRST: &[&dyn AnyShadow] = &[&SHARED];
        static SECOND: &[&dyn AnyShadow] = &[&SHARED_TOO];
        let object = 0u8;
        let first = Shadows::register(FIRST)?;
        SHARED
            .alloc(&object, AtomicU32::new(1), GFP_KERNEL)?
            .fetch_add(1, Relaxed);
        let second = Shadows::register(SECOND)?;
        drop(first);
        expect_eq!(SHARED.get(&object).is_none(), true);
        expect_eq!(SHARED_TOO.get(&object).map(|v| v.load(Relaxed)), Some(2));
        drop(second);
        let second = Shadows::register(SECOND)?;
        expect_eq!(SHARED_TOO.get(&object).is_none(), true);
        drop(second);
        Ok(())
    }

    #[test]
    fn an_id_has_one_type() -> Result {
        static FIRST: &[&dyn AnyShadow] = &[&SHARED];
        static OF_OTHER_TYPE: &[&dyn AnyShadow] = &[&OTHER, &SHARED_OTHERWISE];
        static ALONE: &[&dyn AnyShadow] = &[&NOT_SHARED];
        let first = Shadows::register(FIRST)?;
        expect_eq!(Shadows::register(OF_OTHER_TYPE).err(), Some(EEXIST));
        expect_eq!(Shadows::register(ALONE).err(), Some(EEXIST));
        expect_eq!(Shadows::register(FIRST).err(), Some(EBUSY));
        drop(first);
        // The refused registrations have left nothing.
        drop(Shadows::register(OF_OTHER_TYPE)?);
        drop(Shadows::register(ALONE)?);
        Ok(())
    }

    #[test]
    fn faults_leave_nothing() -> Result {
        let faults = Faults::next(1);
        expect_eq!(Shadows::register(BOTH).err(), Some(EEXIST));
        drop(faults);
        let shadows = Shadows::register(BOTH)?;
        let object = 0u8;
        let faults = Faults::next(1);
        let refused = COUNTED.alloc(&object, counted(1), GFP_KERNEL);
        expect_eq!(refused.err(), Some(ENOMEM));
        expect_eq!(number(&object), None);
        drop(faults);
        let failing = try_init!(Counted {
            number: Err(EPERM)?
        });
        let failed = COUNTED.alloc(&object, failing, GFP_KERNEL);
        expect_eq!(failed.err(), Some(EPERM));
        expect_eq!(number(&object), None);
        drop(shadows);
        Ok(())
    }
}
