// SPDX-License-Identifier: GPL-2.0

//! The attribute's files, as `fault_create_debugfs_attr()` makes them.

use super::{log, random, ATTR, NAME, POINTS};
use crate::debugfs::{self, read_bool, read_i64, read_u64, Scope, ScopedDir};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use kernel::{
    fmt,
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
    uaccess::UserSliceReader,
};

/// The directory `fail_setup`, as long as it lives.
pub(crate) struct Files(#[allow(dead_code)] Pin<KBox<Scope<()>>>);

impl Files {
    /// Makes the directory in the project's.
    pub(crate) fn new() -> Result<Self> {
        // Here the module is being loaded, in the context of a task.
        random::seed();
        let root = debugfs::root()?;
        let dir = root.scope((), NAME, |(), dir| fill(dir));
        Ok(Self(KBox::pin_init(dir, GFP_KERNEL)?))
    }
}

fn fill(dir: &ScopedDir<'_, '_>) {
    dir.read_write_callback_file(c"probability", &ATTR.probability, &show_ul, &set_ul);
    dir.read_write_callback_file(c"interval", &ATTR.interval, &show_ul, &set_ul);
    dir.read_write_callback_file(c"times", &ATTR.times, &show_atomic_t, &set_atomic_t);
    dir.read_write_callback_file(c"space", &ATTR.space, &show_atomic_t, &set_atomic_t);
    dir.read_write_callback_file(c"verbose", &ATTR.verbose, &show_ul, &set_ul);
    dir.read_write_callback_file(
        c"verbose_ratelimit_interval_ms",
        &log::INTERVAL_MS,
        &show_u32,
        &set_u32,
    );
    dir.read_write_callback_file(c"verbose_ratelimit_burst", &log::BURST, &show_u32, &set_u32);
    dir.read_write_callback_file(c"task-filter", &ATTR.task_filter, &show_bool, &set_bool);
    dir.read_callback_file(c"points", &POINTS, &|points, f| {
        points.iter().try_for_each(|point| {
            let (passed, failed) = point.counts();
            writeln!(f, "{} {:?} {passed} {failed}", point.name, point.error)
        })
    });
}

fn show_ul(value: &AtomicU64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{}", value.load(Ordering::Relaxed))
}

fn set_ul(value: &AtomicU64, reader: &mut UserSliceReader) -> Result {
    value.store(read_u64(reader)?, Ordering::Relaxed);
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
