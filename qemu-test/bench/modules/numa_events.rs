// SPDX-License-Identifier: GPL-2.0

//! Implements an observer of one event of NUMA balancing that does nothing, to measure the cost of
//! the event.
//!
//! ```sh
//! insmod numa_events.ko event=counted
//! ```
//!
//! `numa_events_c.c` is the same as `event=fault` in C.

#![forbid(unsafe_code)]

use core::hint::black_box;
use kernel::prelude::*;
use tackle::numa::{
    Counted, Event, Events, Exit, Fault, Hint, Migration, Observer, Placement, Registration, Scan,
    Skip, Wakeup, Window,
};

tackle::module! {
    type: NumaEvents,
    name: "numa_events",
    authors: ["The Tackle developers"],
    description: "An observer of NUMA balancing that does nothing",
    license: "GPL",
}

tackle::string_param! {
    /// The event.
    static EVENT: StringParam<16> = "event",
        "hint, fault, counted, window, scan, skip, migration, placement, exit or wakeup";
}

struct Nop;

macro_rules! nop {
    ($($name:ident: $event:ident,)*) => {
        impl Observer for Nop {
            $(
                #[inline]
                fn $name(&self, event: &$event<'_>) {
                    // Pretend to read the event, so that the compiler does not remove it.
                    black_box(event);
                }
            )*
        }
    };
}

nop! {
    hint: Hint,
    fault: Fault,
    counted: Counted,
    window: Window,
    scan: Scan,
    skip: Skip,
    migration: Migration,
    placement: Placement,
    exit: Exit,
    wakeup: Wakeup,
}

struct NumaEvents {
    _registration: Registration<Nop>,
}

impl kernel::Module for NumaEvents {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let name = EVENT.value();
        let is_named = |event: &Event| event.name().as_bytes() == name.to_bytes();
        let Some(event) = Event::ALL.into_iter().find(is_named) else {
            pr_err!("event={name}: no such event\n");
            return Err(EINVAL);
        };
        Ok(Self {
            _registration: Registration::new(Nop, Events::of(event))?,
        })
    }
}
