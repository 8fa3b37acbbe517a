// SPDX-License-Identifier: GPL-2.0

//! Implements the debugfs files of a fault attribute, like `fault_create_debugfs_attr()`.

use super::{random, Attribute, Attributed};
use crate::debugfs::{self, line_text, read_bool, read_i64, read_line, read_u64, Scope, ScopedDir};
use core::{
    marker::PhantomData,
    sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering},
};
use kernel::{
    fmt,
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
    uaccess::UserSliceReader,
};
use tackle_core::fault::MAX_STACK_DEPTH;

/// The most bytes that can be written to `select`.
const SELECT_LEN: usize = 1023;

/// The registration of an attribute, which has a directory in debugfs. When it is dropped, the
/// directory is removed, and no point of the attribute fails any more.
pub struct Registration<A: Attributed> {
    // Dropped in this order.
    _files: Pin<KBox<Scope<()>>>,
    _off: Off,
    _attribute: PhantomData<fn() -> A>,
}

/// When this is dropped, no point of the attribute fails any more.
pub(super) struct Off(pub(super) &'static Attribute);

impl Drop for Off {
    fn drop(&mut self) {
        self.0.settings.probability.store(0, Ordering::Relaxed);
        let _switch = super::SWITCH.lock();
        self.0.switch(false);
    }
}

impl<A: Attributed> Registration<A> {
    /// Makes the attribute's directory in `/sys/kernel/debug/tackle`.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: a directory or file of this name exists.
    /// - `ENODEV`: the library is not loaded.
    /// - `ENOMEM`: there is no memory for the directory.
    ///
    /// # Context
    ///
    /// May sleep.
    // Generic, so that it is compiled into the module that has the attribute. That module then is
    // the owner of the files.
    pub fn new() -> Result<Self> {
        // The caller may sleep, so this is not an NMI, as `seed` requires.
        random::seed();
        let attribute = A::attribute();
        let root = debugfs::root()?;
        let dir = root.scope((), attribute.name, |(), dir| fill(attribute, dir));
        Ok(Self {
            _files: KBox::pin_init(dir, GFP_KERNEL)?,
            _off: Off(attribute),
            _attribute: PhantomData,
        })
    }
}

/// Makes the files. Inlined, so that the owner of the files is the module of the caller.
#[inline(always)]
pub(super) fn fill(attribute: &'static Attribute, dir: &ScopedDir<'_, '_>) {
    let Attribute { settings, log, .. } = attribute;
    dir.read_write_callback_file(
        c"probability",
        attribute,
        &show_probability,
        &set_probability,
    );
    dir.read_write_callback_file(c"interval", &settings.interval, &show_ul, &set_ul);
    dir.read_write_callback_file(c"times", &settings.times, &show_atomic_t, &set_atomic_t);
    dir.read_write_callback_file(c"space", &settings.space, &show_atomic_t, &set_atomic_t);
    dir.read_write_callback_file(c"verbose", &settings.verbose, &show_ul, &set_ul);
    dir.read_write_callback_file(
        c"verbose_ratelimit_interval_ms",
        &log.interval_ms,
        &show_u32,
        &set_u32,
    );
    dir.read_write_callback_file(c"verbose_ratelimit_burst", &log.burst, &show_u32, &set_u32);
    dir.read_write_callback_file(c"task-filter", &settings.task_filter, &show_bool, &set_bool);
    dir.read_write_callback_file(
        c"stacktrace-depth",
        &settings.stacktrace_depth,
        &show_ul,
        &set_depth,
    );
    dir.read_write_callback_file(
        c"require-start",
        &settings.require_start,
        &show_xul,
        &set_xul,
    );
    dir.read_write_callback_file(c"require-end", &settings.require_end, &show_xul, &set_xul);
    dir.read_write_callback_file(c"reject-start", &settings.reject_start, &show_xul, &set_xul);
    dir.read_write_callback_file(c"reject-end", &settings.reject_end, &show_xul, &set_xul);
    dir.read_write_callback_file(c"fail-nth", attribute, &show_nth, &set_nth);
    dir.read_write_callback_file(c"make-it-fail", attribute, &show_mark, &set_mark);
    dir.read_write_callback_file(c"select", attribute, &show_selected, &select);
    dir.read_callback_file(c"points", attribute, &show_points);
}

fn show_points(attribute: &Attribute, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    attribute.points.iter().try_for_each(|point| {
        let (passed, failed) = (point.passed.load(Relaxed), point.failed.load(Relaxed));
        writeln!(f, "{} {:?} {passed} {failed}", point.name, point.error)
    })
}

fn show_probability(attribute: &Attribute, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    show_ul(&attribute.settings.probability, f)
}

fn set_probability(attribute: &Attribute, reader: &mut UserSliceReader) -> Result {
    set_ul(&attribute.settings.probability, reader)?;
    attribute.refresh();
    Ok(())
}

fn show_nth(attribute: &Attribute, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let left = attribute.nth.of_current();
    writeln!(f, "{}", left.map_or(0, |left| left.load(Ordering::Relaxed)))
}

fn set_nth(attribute: &Attribute, reader: &mut UserSliceReader) -> Result {
    // Like `/proc/PID/fail-nth`, refuse a number above `INT_MAX`.
    let left = u32::try_from(read_u64(reader)?).map_err(|_| EINVAL)?;
    if i32::try_from(left).is_err() {
        return Err(EINVAL);
    }
    attribute.nth.set_current(left);
    attribute.refresh();
    Ok(())
}

fn show_mark(attribute: &Attribute, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{}", u8::from(attribute.marks.is_current_marked()))
}

fn set_mark(attribute: &Attribute, reader: &mut UserSliceReader) -> Result {
    match read_u64(reader)? {
        marked @ (0 | 1) => attribute.marks.set_current(marked != 0),
        _ => return Err(EINVAL),
    }
    Ok(())
}

fn show_selected(attribute: &Attribute, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if !attribute.is_limited.load(Relaxed) {
        return Ok(());
    }
    let mut points = attribute.points.iter();
    points
        .by_ref()
        .filter(|point| point.is_selected.load(Relaxed))
        .try_for_each(|point| writeln!(f, "{}", point.name))
}

/// Selects the points whose names are written; all points if no name is written.
fn select(attribute: &Attribute, reader: &mut UserSliceReader) -> Result {
    let bytes = read_line(reader, SELECT_LEN).map_err(|why| why.error())?;
    let names = line_text(&bytes).map_err(|why| why.error())?;
    let has = |name: &str| attribute.points.iter().any(|point| point.name == name);
    if !names.split_ascii_whitespace().all(has) {
        return Err(EINVAL);
    }
    // While the selection of the points changes, all points can fail.
    attribute.is_limited.store(false, Relaxed);
    for point in attribute.points {
        let is_selected = names
            .split_ascii_whitespace()
            .any(|name| name == point.name);
        point.is_selected.store(is_selected, Relaxed);
    }
    let is_limited = names.split_ascii_whitespace().next().is_some();
    attribute.is_limited.store(is_limited, Relaxed);
    Ok(())
}

fn show_ul(value: &AtomicU64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{}", value.load(Ordering::Relaxed))
}

fn set_ul(value: &AtomicU64, reader: &mut UserSliceReader) -> Result {
    value.store(read_u64(reader)?, Ordering::Relaxed);
    Ok(())
}

fn set_depth(value: &AtomicU64, reader: &mut UserSliceReader) -> Result {
    // CAST: `MAX_STACK_DEPTH` is a small constant.
    let depth = read_u64(reader)?.min(MAX_STACK_DEPTH as u64);
    value.store(depth, Ordering::Relaxed);
    Ok(())
}

fn show_xul(value: &AtomicUsize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{:#018x}", value.load(Ordering::Relaxed))
}

fn set_xul(value: &AtomicUsize, reader: &mut UserSliceReader) -> Result {
    // CAST: On 64 bits, `usize` is as wide as `u64`.
    value.store(read_u64(reader)? as usize, Ordering::Relaxed);
    Ok(())
}

fn show_atomic_t(value: &AtomicI32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{}", value.load(Ordering::Relaxed))
}

fn set_atomic_t(value: &AtomicI32, reader: &mut UserSliceReader) -> Result {
    // CAST: Keeps the lower 32 bits, as `debugfs_atomic_t_set()`.
    value.store(read_i64(reader)? as i32, Ordering::Relaxed);
    Ok(())
}

fn show_u32(value: &Atomic<u32>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{}", value.load(Relaxed))
}

fn set_u32(value: &Atomic<u32>, reader: &mut UserSliceReader) -> Result {
    // CAST: Keeps the lower 32 bits, as `debugfs_u32_set()`.
    value.store(read_u64(reader)? as u32, Relaxed);
    Ok(())
}

fn show_bool(value: &AtomicBool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(if value.load(Ordering::Relaxed) {
        "Y\n"
    } else {
        "N\n"
    })
}

fn set_bool(value: &AtomicBool, reader: &mut UserSliceReader) -> Result {
    value.store(read_bool(reader)?, Ordering::Relaxed);
    Ok(())
}
