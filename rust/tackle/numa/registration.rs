// SPDX-License-Identifier: GPL-2.0

//! Implements the registration of an observer, which has the hooks that the observer's events need.

use super::{
    exit::OnExit,
    fault::{OnCounted, OnFault},
    hint::OnHint,
    migration::{OnMigrate, OnPrepare},
    placement::{OnMove, OnPreferred, OnSwap},
    probe::{Point, Probe},
    scan::OnScan,
    skip::OnSkip,
    task,
    wakeup::OnWakeup,
    window::OnWindow,
    Event, Events, Observer,
};
use crate::ftrace::{
    self, EntryHandler, EntryHook, ExitHandler, ExitHook, HookRef, Misses, Targets,
};
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::{ffi::c_void, prelude::*, sync::Arc};

/// The observer, shared by all of its hooks.
pub(super) struct Shared<T> {
    observer: T,
    /// Whether all hooks of the observer are active.
    is_active: AtomicBool,
}

impl<T> Shared<T> {
    /// Returns the observer once all of its hooks are active; [`None`] before that.
    #[inline]
    pub(super) fn active(&self) -> Option<&T> {
        self.is_active
            .load(Ordering::Acquire)
            .then_some(&self.observer)
    }
}

/// An active [`EntryHook`] or [`ExitHook`], whatever its handler type.
trait Armed: Send + Sync {
    fn hook(&self) -> HookRef<'_>;
    fn missed(&self) -> Misses;
}

impl<H: EntryHandler> Armed for Pin<KBox<EntryHook<H>>> {
    fn hook(&self) -> HookRef<'_> {
        self.as_ref().hook()
    }

    fn missed(&self) -> Misses {
        EntryHook::missed(self)
    }
}

impl<H: ExitHandler> Armed for Pin<KBox<ExitHook<H>>> {
    fn hook(&self) -> HookRef<'_> {
        self.as_ref().hook()
    }

    fn missed(&self) -> Misses {
        ExitHook::missed(self)
    }
}

/// The registration of an observer. The observer is called until the registration is dropped.
///
/// Several observers can be registered. An observer is first called when all of its hooks are
/// active.
///
/// After `drop` has returned, no CPU executes the observer. `drop` may sleep for tens of
/// milliseconds. If it is never dropped (`mem::forget`), the library removes the hooks
/// when the observer's module is unloaded.
pub struct Registration<T: Observer> {
    hooks: KVec<KBox<dyn Armed>>,
    // Dropped after the hooks.
    probes: KVec<Probe>,
    shared: Arc<Shared<T>>,
    events: Events,
}

impl<T: Observer> Registration<T> {
    /// Registers an observer of `events`.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: `events` is empty.
    /// - `ENOENT`: the kernel lacks a function or a tracepoint that an event needs, for instance
    ///   since the compiler has inlined the function. The log names the event and the function.
    ///   [`Registration::available`] leaves such events out.
    /// - `ENOMEM`: there is no memory for the hooks.
    /// - Those of [`EntryHook::new`].
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn new(observer: T, events: Events) -> Result<Self> {
        if events.is_empty() {
            return Err(EINVAL);
        }
        // Observers may call `Task::group()` in any event.
        task::find_groups();
        let shared = Shared {
            observer,
            is_active: AtomicBool::new(false),
        };
        let mut this = Self {
            hooks: KVec::new(),
            probes: KVec::new(),
            shared: Arc::new(shared, GFP_KERNEL)?,
            events,
        };
        for event in events.iter() {
            this.observe(event)?;
        }
        this.shared.is_active.store(true, Ordering::Release);
        Ok(this)
    }

    /// Returns the subset of `events` whose functions this kernel has, and logs the others.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn available(events: Events) -> Events {
        let mut available = events;
        for event in events.iter() {
            for function in functions(event) {
                if crate::symbol::lookup(function).is_err() {
                    let name = event.name();
                    pr_warn!("numa: no event {name}: the kernel has no function {function}\n");
                    available = available.without(Events::of(event));
                }
            }
        }
        available
    }

    fn observe(&mut self, event: Event) -> Result {
        let observer = || self.shared.clone();
        match event {
            Event::Hint => {
                let handler = OnHint(observer());
                self.at_entry(event, OnHint::<T>::FUNCTION, handler)
            }
            Event::Fault => {
                let handler = OnFault(observer());
                self.at_entry(event, OnFault::<T>::FUNCTION, handler)
            }
            Event::Counted => {
                let handler = OnCounted(observer());
                self.at_exit(event, OnFault::<T>::FUNCTION, handler)
            }
            Event::Window => {
                let handler = OnWindow::new(observer())?;
                self.at_entry(event, OnWindow::<T>::FUNCTION, handler)
            }
            Event::Scan => {
                let handler = OnScan(observer());
                self.at_exit(event, OnScan::<T>::FUNCTION, handler)
            }
            Event::Skip => {
                let handler = OnSkip(observer());
                let data = handler.data();
                self.at_probe(event, OnSkip::<T>::POINT, data, handler)
            }
            Event::Migration => {
                let (prepare, migrate) = (OnPrepare(observer()), OnMigrate(observer()));
                self.at_exit(event, OnPrepare::<T>::FUNCTION, prepare)?;
                self.at_exit(event, OnMigrate::<T>::FUNCTION, migrate)
            }
            Event::Placement => {
                let preferred = OnPreferred(observer());
                let (moved, swapped) = (OnMove(observer()), OnSwap(observer()));
                self.at_exit(event, OnPreferred::<T>::FUNCTION, preferred)?;
                self.at_exit(event, OnMove::<T>::FUNCTION, moved)?;
                self.at_exit(event, OnSwap::<T>::FUNCTION, swapped)
            }
            Event::Exit => {
                let handler = OnExit(observer());
                self.at_entry(event, OnExit::<T>::FUNCTION, handler)
            }
            Event::Wakeup => {
                let handler = OnWakeup(observer());
                let data = handler.data();
                self.at_probe(event, OnWakeup::<T>::POINT, data, handler)
            }
        }
    }

    fn at_entry<H: EntryHandler>(&mut self, event: Event, name: &CStr, handler: H) -> Result {
        self.hook(event, name, EntryHook::new(name, handler))
    }

    fn at_exit<H: ExitHandler>(&mut self, event: Event, name: &CStr, handler: H) -> Result {
        self.hook(event, name, ExitHook::new(name, handler))
    }

    fn at_probe<H: EntryHandler>(
        &mut self,
        event: Event,
        point: Point,
        data: *mut c_void,
        handler: H,
    ) -> Result {
        let function = [point.probe()];
        let hook = EntryHook::new(Targets::Addresses(&function), handler);
        self.hook(event, point.probe_name(), hook)?;
        let probe = Probe::new(point, data).inspect_err(|_| {
            let (event, point) = (event.name(), point.name());
            pr_err!("numa: no event {event}: the kernel has no tracepoint {point}\n");
        })?;
        Ok(self.probes.push(probe, GFP_KERNEL)?)
    }

    fn hook<H>(&mut self, event: Event, name: &CStr, hook: impl PinInit<H, Error>) -> Result
    where
        Pin<KBox<H>>: Armed + 'static,
    {
        let hook = KBox::pin_init(hook, GFP_KERNEL).inspect_err(|&error| {
            pr_err!(
                "numa: no event {}: {name}: {}\n",
                event.name(),
                ftrace::reason(error)
            );
        })?;
        let hook: KBox<dyn Armed> = KBox::new(hook, GFP_KERNEL)?;
        Ok(self.hooks.push(hook, GFP_KERNEL)?)
    }

    /// Returns the observer.
    pub fn observer(&self) -> &T {
        &self.shared.observer
    }

    /// Returns the events at which the observer is called.
    pub fn events(&self) -> Events {
        self.events
    }

    /// Returns the number of calls of hooked functions for which the observer was not called.
    pub fn missed(&self) -> Misses {
        let mut sum = Misses::default();
        for hook in &self.hooks {
            let missed = hook.missed();
            sum.recursion += missed.recursion;
            sum.no_room += missed.no_room;
        }
        sum
    }
}

impl<T: Observer> Drop for Registration<T> {
    fn drop(&mut self) {
        // All hooks share one grace period. If this fails (`ENOMEM`), each hook waits for a grace
        // period of its own when it is dropped.
        let _ = ftrace::disarm_all(self.hooks.iter().map(|hook| hook.hook()));
    }
}

/// Returns the kernel functions that an event needs.
fn functions(event: Event) -> &'static [&'static CStr] {
    type Any = ();
    match event {
        Event::Hint => &[OnHint::<Any>::FUNCTION],
        Event::Fault | Event::Counted => &[OnFault::<Any>::FUNCTION],
        Event::Window => &[OnWindow::<Any>::FUNCTION, OnFault::<Any>::FUNCTION],
        Event::Scan => &[OnScan::<Any>::FUNCTION],
        Event::Skip => &[c"__tracepoint_sched_skip_vma_numa"],
        Event::Migration => &[OnPrepare::<Any>::FUNCTION, OnMigrate::<Any>::FUNCTION],
        Event::Placement => &[
            OnPreferred::<Any>::FUNCTION,
            OnMove::<Any>::FUNCTION,
            OnSwap::<Any>::FUNCTION,
        ],
        Event::Exit => &[OnExit::<Any>::FUNCTION],
        Event::Wakeup => &[c"__tracepoint_sched_waking"],
    }
}
