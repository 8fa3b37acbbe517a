// SPDX-License-Identifier: GPL-2.0

//! Implements a hook for tests. The counts of its calls can be read after the hook was dropped.

use core::hint::black_box;
use kernel::{
    ffi::c_int,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
};
use tackle::{
    expect_eq,
    fault::Point,
    ftrace::{Call, EntryHandler, EntryHook},
    kunit::{counts, half, Faults},
};

/// A function that only [`half`] calls.
pub(crate) const FUNCTION: &CStr = c"tackle:rust_helper_kunit_half";

/// Calls [`FUNCTION`] with each of `numbers`.
pub(crate) fn call(numbers: impl IntoIterator<Item = c_int>) {
    numbers.into_iter().for_each(call_one);
}

/// Calls [`FUNCTION`] from one place. The compiler cannot copy the call, because this function is
/// not inlined. It cannot make the call a tail call, because the result is used.
#[inline(never)]
fn call_one(n: c_int) {
    black_box(half(n));
}

/// The number of calls of a handler, and the data of the last one.
pub(crate) struct Seen {
    pub(crate) calls: Atomic<u64>,
    pub(crate) ip: Atomic<usize>,
    pub(crate) parent_ip: Atomic<usize>,
    pub(crate) arguments: [Atomic<usize>; 3],
    /// The number of handlers that were dropped.
    pub(crate) dropped: Atomic<u64>,
}

impl Seen {
    pub(crate) fn new() -> Result<Arc<Self>> {
        let seen = Self {
            calls: Atomic::new(0),
            ip: Atomic::new(0),
            parent_ip: Atomic::new(0),
            arguments: [const { Atomic::new(0) }; 3],
            dropped: Atomic::new(0),
        };
        Ok(Arc::new(seen, GFP_KERNEL)?)
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    pub(crate) fn argument(&self, n: usize) -> usize {
        self.arguments[n].load(Relaxed)
    }
}

/// A handler that writes each call to [`Seen`] and then calls `more`.
pub(crate) struct Noting {
    seen: Arc<Seen>,
    more: fn(&Call),
}

impl EntryHandler for Noting {
    fn entry(&self, call: &Call) {
        self.seen.calls.fetch_add(1, Relaxed);
        self.seen.ip.store(call.ip(), Relaxed);
        self.seen.parent_ip.store(call.parent_ip(), Relaxed);
        for (n, seen) in self.seen.arguments.iter().enumerate() {
            seen.store(call.argument(n).unwrap_or(usize::MAX), Relaxed);
        }
        (self.more)(call);
    }
}

impl Drop for Noting {
    fn drop(&mut self) {
        self.seen.dropped.fetch_add(1, Relaxed);
    }
}

/// A hook. It is in a box, because the threads of tests have small stacks.
pub(crate) type Hook = Pin<KBox<EntryHook<Noting>>>;

/// Hooks the function `name`.
pub(crate) fn hook(name: &CStr, seen: &Arc<Seen>) -> Result<Hook> {
    hook_with(name, seen, |_| ())
}

/// Hooks the function `name` with a handler that also calls `more`.
pub(crate) fn hook_with(name: &CStr, seen: &Arc<Seen>, more: fn(&Call)) -> Result<Hook> {
    let seen = seen.clone();
    KBox::pin_init(EntryHook::new(name, Noting { seen, more }), GFP_KERNEL)
}

/// Makes a hook whose steps pass `points`. First lets each of the points fail in turn, and calls
/// `check` after each failure, which tests that nothing is left. Then makes the hook without a
/// fault.
pub(crate) fn fail_each<T>(
    points: &[&Point],
    mut hook: impl FnMut() -> Result<T>,
    check: impl Fn() -> Result,
) -> Result<T> {
    let mut spared = 0;
    for &point in points {
        let before = counts(point).1;
        let faults = Faults::after(spared);
        expect_eq!(hook().err(), Some(ENOMEM));
        drop(faults);
        expect_eq!(counts(point).1, before + 1);
        check()?;
        spared += 1;
    }
    // The fault never happens, because there is no further step.
    let _faults = Faults::after(spared);
    hook()
}
