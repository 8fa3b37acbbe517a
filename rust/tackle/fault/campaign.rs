// SPDX-License-Identifier: GPL-2.0

//! Implements [`Campaign`]: the hooks of a fault injection, and the fault points that they have
//! recorded.

use super::{
    judge::{Calls, Judge},
    names::{until_nul, write_name, Map, Text},
    prepare::{self, Function},
    rules::Failure,
};
use crate::{
    bindings,
    filter::{self, Filter},
    ftrace::{self, ManyHook},
    task,
};
use core::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
    time::{delay::fsleep, Delta},
};
use tackle_base::debugfs::LineError;
use tackle_core::{
    fault::{Mode, Plan, Point, Points, Selection, DEPTH, MAX_POINTS, STATUSES},
    hooks::FilterSpec,
};

kernel::sync::global_lock! {
    // SAFETY: `Library::new` initialises it. `library::ready` fails before that.
    unsafe(uninit) static CURRENT: Mutex<Option<Arc<Shared>>> = None;
}

/// Initialises the lock of this file.
///
/// # Safety
///
/// To be called once, before [`library::ready`](crate::library::ready).
pub(crate) unsafe fn init() {
    // SAFETY: By the function's requirements.
    unsafe { CURRENT.init() };
}

/// Names the points that have been found. Called when a module is loaded or unloaded, while its
/// symbols are still valid.
///
/// # Context
///
/// May sleep.
pub(crate) fn name_points() {
    let current = CURRENT.lock().clone();
    if let Some(shared) = current {
        shared.name_points();
    }
}

/// The memory of a table of points.
pub(super) struct Places(KVVec<Point>);

impl AsRef<[Point]> for Places {
    fn as_ref(&self) -> &[Point] {
        &self.0
    }
}

/// The data that the hooks, the commands and the module notifier share.
#[pin_data]
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) points: Points<Places>,
    pub(super) map: Map,
    /// Sorted by their entries.
    functions: KVec<Function>,
    /// The text of the allocators among the functions, and of the kernel's checkers, sorted.
    allocators: KVec<core::ops::Range<usize>>,
    /// The index in [`STATUSES`] of the status with which bios fail.
    status: usize,
    /// The task that is naming points, or 0. Its own allocations are no points.
    pub(super) own_task: AtomicUsize,
    /// The names of the return addresses of each point, by the index of its place.
    #[pin]
    names: Mutex<KVVec<Option<KVec<u8>>>>,
}

impl Shared {
    fn new(functions: KVec<Function>, status: usize) -> Result<Arc<Self>> {
        let mut places = KVVec::with_capacity(MAX_POINTS, GFP_KERNEL)?;
        let mut names = KVVec::with_capacity(MAX_POINTS, GFP_KERNEL)?;
        for _ in 0..MAX_POINTS {
            places.push_within_capacity(Point::unused())?;
            names.push_within_capacity(None)?;
        }
        let mut allocators = KVec::new();
        for function in functions.iter().filter(|function| function.is_allocator()) {
            allocators.push(function.text.clone(), GFP_KERNEL)?;
        }
        prepare::add_checkers(&mut allocators)?;
        tackle_core::sort::insertion_sort(&mut allocators, |one, other| one.start < other.start);
        Arc::pin_init(
            try_pin_init!(Self {
                plan: Plan::new(),
                points: Points::new(Places(places)),
                map: Map::new()?,
                functions,
                allocators,
                status,
                own_task: AtomicUsize::new(0),
                names <- new_mutex!(names),
            }),
            GFP_KERNEL,
        )
    }

    /// Returns the function with this entry, and its index.
    pub(super) fn function_at(&self, entry: usize) -> Option<(usize, &Function)> {
        let key = |function: &Function| function.entry;
        let index = self.functions.binary_search_by_key(&entry, key).ok()?;
        Some((index, self.functions.get(index)?))
    }

    /// Returns whether one of these return addresses is in a hooked allocator or a checker.
    pub(super) fn is_in_allocator(&self, frames: &[usize]) -> bool {
        frames.iter().any(|frame| {
            // The call instruction is before the return address.
            let call = frame.wrapping_sub(1);
            let behind = self.allocators.partition_point(|range| range.start <= call);
            let range = behind.checked_sub(1).and_then(|n| self.allocators.get(n));
            range.is_some_and(|range| range.contains(&call))
        })
    }

    /// Gives names to the points that have none. If there is no memory, a later call does it.
    fn name_points(&self) {
        let names = &mut *self.names.lock();
        self.own_task.store(task::current_address(), Relaxed);
        if self.name_all(names).is_err() {
            pr_warn!("no memory for the names of fault points\n");
        }
        self.own_task.store(0, Relaxed);
    }

    fn name_all(&self, names: &mut [Option<KVec<u8>>]) -> Result {
        let mut buffer = KVec::from_elem(0_u8, bindings::KSYM_SYMBOL_LEN, GFP_KERNEL)?;
        let mut room = [0; DEPTH];
        for (index, point) in self.points.iter() {
            let Some(name) = names.get_mut(index).filter(|name| name.is_none()) else {
                continue;
            };
            let sight = point.sight(&mut room);
            let mut text = Text(KVec::new());
            let mut write = |address, before: &str| -> fmt::Result {
                fmt::Write::write_str(&mut text, before)?;
                write_name(address, &mut buffer, &mut text)
            };
            let mut result = Ok(());
            if let Some(site) = sight.frames.get(sight.site) {
                result = write(*site, " site=");
            }
            for (n, frame) in sight.frames.iter().enumerate() {
                let before = if n == 0 { " stack=" } else { "," };
                result = result.and_then(|()| write(*frame, before));
            }
            result.map_err(|_| ENOMEM)?;
            *name = Some(text.0);
        }
        Ok(())
    }

    /// Writes the points, in the order in which they were found.
    fn show_points(&self, f: &mut dyn fmt::Write) -> Result {
        self.name_points();
        let names = self.names.lock();
        let mut order = KVVec::new();
        // CAST: A small number.
        for _ in 0..self.points.len() as usize {
            order.push(None, GFP_KERNEL)?;
        }
        for (index, point) in self.points.iter() {
            // CAST: A small number. A point that was found after `order` was filled is left out.
            if let Some(place) = order.get_mut(point.number() as usize) {
                *place = Some((index, point));
            }
        }
        for (index, point) in order.iter().flatten() {
            let name = names.get(*index).and_then(Option::as_ref);
            let name = name.and_then(|name| core::str::from_utf8(name).ok());
            self.show_point(point, name.unwrap_or_default(), f)
                .map_err(|_| ENOMEM)?;
        }
        Ok(())
    }

    fn show_point(&self, point: &Point, name: &str, f: &mut dyn fmt::Write) -> fmt::Result {
        let mut room = [0; DEPTH];
        let sight = point.sight(&mut room);
        // CAST: A small number.
        let function = self.functions.get(sight.function as usize);
        let function = function.ok_or(fmt::Error)?;
        let function_name = function.name.to_str().map_err(|_| fmt::Error)?;
        f.write_fmt(format_args!(
            "id={} function={function_name} class={} value=",
            point.id(),
            function.class
        ))?;
        match function.failure {
            Failure::Returns(value) => f.write_fmt(format_args!("{value}"))?,
            Failure::Submit | Failure::Complete => {
                let status = STATUSES.get(self.status).ok_or(fmt::Error)?;
                f.write_fmt(format_args!("status:{status}"))?;
            }
        }
        let context = ["task", "softirq", "hardirq", "nmi"];
        f.write_fmt(format_args!(
            " hits={} failed={} retries={} context={}",
            point.hits(),
            point.failed(),
            u8::from(point.gave_up()),
            // CAST: A small number.
            context.get(sight.context as usize).ok_or(fmt::Error)?
        ))?;
        match sight.gfp {
            Some(gfp) => f.write_fmt(format_args!(" gfp={gfp:#x}"))?,
            None => f.write_str(" gfp=none")?,
        }
        match sight.order {
            Some(order) => f.write_fmt(format_args!(" order={order}"))?,
            None => f.write_str(" order=none")?,
        }
        f.write_str(" comm=")?;
        for byte in until_nul(&sight.comm) {
            // The name of a task can have any bytes.
            let is_plain = byte.is_ascii_graphic();
            f.write_char(if is_plain { char::from(*byte) } else { '_' })?;
        }
        f.write_str(name)?;
        f.write_char('\n')
    }
}

/// A fault injection: hooks on functions that can fail, from when they are placed until this is
/// dropped.
///
/// There is at most one campaign in the system. If it is never dropped (`mem::forget`), the hooks
/// stay, and `tackle_ftrace.ko` stays loaded.
pub struct Campaign {
    // Dropped in this order.
    hook: Option<Pin<KBox<ManyHook<Judge>>>>,
    shared: Arc<Shared>,
}

impl Campaign {
    /// Places hooks on the selected functions. They are not armed: no call fails, and no point is
    /// recorded.
    ///
    /// # Errors
    ///
    /// The error has a message that describes the cause.
    ///
    /// - `EBUSY`: there is a campaign already, or a live patch or another hook redirects one of the
    ///   functions.
    /// - `EINVAL`, `EPERM`, `ENOENT`, `ENOTUNIQ`: a function cannot be selected.
    /// - `ESRCH`: the selected process does not exist.
    /// - `ENOMEM`: there is no memory for the tables.
    /// - The errors of [`EntryHook::new`](crate::ftrace::EntryHook::new).
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn new(selection: &Selection<'_>) -> Result<Self, LineError> {
        crate::library::ready()?;
        let functions = prepare::functions(selection)?;
        let tree = match selection.tree {
            None => None,
            Some(_) => {
                let spec = FilterSpec {
                    tree: selection.tree,
                    ..FilterSpec::default()
                };
                Some(Filter::new(&spec).map_err(|error| {
                    LineError::new(error, format_args!("{}", filter::reason(error)))
                })?)
            }
        };
        let calls = Calls::new(selection, tree);
        let mut entries = KVec::new();
        for function in &functions {
            entries.push(function.entry, GFP_KERNEL)?;
        }
        let shared = Shared::new(functions, selection.status)?;
        {
            let mut current = CURRENT.lock();
            if current.is_some() {
                return Err(LineError::new(
                    EBUSY,
                    format_args!("another process has hooks placed"),
                ));
            }
            *current = Some(shared.clone());
        }
        // From here on, the drop clears `CURRENT`.
        let mut this = Self { hook: None, shared };
        // SAFETY: Any number is valid, and no other campaign exists.
        unsafe { bindings::fault_set_bio_status(selection.status) };
        let judge = Judge {
            shared: this.shared.clone(),
            calls,
        };
        let hook = KBox::pin_init(ManyHook::new(&mut entries, judge), GFP_KERNEL);
        match hook {
            Ok(hook) => {
                this.hook = Some(hook);
                Ok(this)
            }
            Err(EBUSY) => Err(this.redirected()),
            Err(error) => Err(LineError::new(
                error,
                format_args!("{}", ftrace::reason(error)),
            )),
        }
    }

    /// Returns the error with the names of the functions that a live patch or another hook
    /// redirects.
    fn redirected(&self) -> LineError {
        let mut text = Text(KVec::new());
        for function in &self.shared.functions {
            if ftrace::is_redirected(function.entry) {
                let comma = if text.0.is_empty() { "" } else { ", " };
                let name = function.name.to_str().unwrap_or_default();
                // If there is no memory, the list is incomplete.
                let _ = fmt::Write::write_fmt(&mut text, format_args!("{comma}{name}"));
            }
        }
        let names = core::str::from_utf8(&text.0).unwrap_or_default();
        LineError::new(
            EBUSY,
            format_args!("a live patch or another hook redirects {names}"),
        )
    }

    /// Sets all counters to 0 and selects the calls that fail.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn arm(&self, mode: &Mode) {
        self.disarm();
        self.shared.plan.arm(mode, &self.shared.points);
    }

    /// Makes no call fail any more. When this returns, no handler is deciding about a call.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn disarm(&self) {
        self.shared.plan.disarm();
        // SAFETY: The caller may sleep. Handlers run with preemption disabled.
        unsafe { bindings::fault_synchronize() };
    }

    /// Forgets all points.
    ///
    /// # Errors
    ///
    /// `EBUSY`: the campaign is armed.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn forget(&self) -> Result<(), LineError> {
        if self.shared.plan.is_armed() {
            return Err(LineError::new(EBUSY, format_args!("disarm first")));
        }
        let mut names = self.shared.names.lock();
        self.shared.points.clear();
        names.iter_mut().for_each(|name| *name = None);
        Ok(())
    }

    /// Writes the counters.
    ///
    /// # Errors
    ///
    /// The errors of `f`.
    pub fn show_status(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        f.write_fmt(format_args!(
            "{} hooks={} points={}\n",
            self.shared.plan.counts(),
            self.shared.functions.len(),
            self.shared.points.len()
        ))
    }

    /// Writes the points.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is no memory, or `f` has returned an error.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn show_points(&self, f: &mut dyn fmt::Write) -> Result {
        self.shared.show_points(f)
    }
}

impl Drop for Campaign {
    fn drop(&mut self) {
        self.shared.plan.disarm();
        drop(self.hook.take());
        // SAFETY: Reads a number.
        while unsafe { bindings::fault_submits() } != 0 {
            // A task is executing `bio_endio()` for a bio that the campaign has made fail.
            fsleep(Delta::from_millis(1));
        }
        *CURRENT.lock() = None;
    }
}
