// SPDX-License-Identifier: GPL-2.0

//! Hooks that come and go on demand, in the context of whoever asks for them: with a writer
//! on each CPU, as many tasks at once add and remove hooks on one function.
//!
//! ```sh
//! insmod hook_stress.ko function=__x64_sys_getpgid
//! cd /sys/kernel/debug/tackle/hook_stress
//! echo 10 > rounds    # returns when ten hooks have come, seen a call and gone
//! cat done calls
//! ```
//!
//! A round fails with `ETIMEDOUT` when nobody calls the function for a minute, and with
//! `EINTR` on a signal.

#![forbid(unsafe_code)]

use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
    time::{delay::fsleep, Delta},
    uaccess::UserSliceReader,
};
use tackle::{
    debugfs::{self, Scope},
    ftrace::{self, Call, Handler, Registration},
};

module! {
    type: HookStress,
    name: "hook_stress",
    authors: ["The Tackle developers"],
    description: "Hooks that come and go on demand",
    license: "GPL",
}

tackle::string_param! {
    /// The function to hook.
    static FUNCTION: StringParam<512> = "function", "Kernel function to hook";
}

/// How often a round looks for a call, a millisecond apart.
const LOOKS: u32 = 60_000;

struct Counter(Atomic<u64>);

impl Handler for Counter {
    fn entry(&self, _call: &Call) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// What was done since the module was loaded.
struct Tally {
    rounds: Atomic<u64>,
    calls: Atomic<u64>,
}

impl Tally {
    fn round(&self) -> Result {
        let hook = Registration::new(FUNCTION.value(), Counter(Atomic::new(0)));
        let hook = KBox::pin_init(hook, GFP_KERNEL)
            .inspect_err(|&e| pr_err!("function={}: {}\n", FUNCTION.value(), ftrace::reason(e)))?;
        let seen = await_call(&hook.handler().0)?;
        drop(hook);
        self.calls.fetch_add(seen, Relaxed);
        self.rounds.fetch_add(1, Relaxed);
        Ok(())
    }
}

/// Sleeps until there is a call, and returns how many there are.
fn await_call(calls: &Atomic<u64>) -> Result<u64> {
    for _ in 0..LOOKS {
        let seen = calls.load(Relaxed);
        if seen > 0 {
            return Ok(seen);
        }
        if kernel::current!().signal_pending() {
            return Err(EINTR);
        }
        fsleep(Delta::from_millis(1));
    }
    Err(ETIMEDOUT)
}

/// A write to `rounds`.
fn rounds(tally: &Tally, reader: &mut UserSliceReader) -> Result {
    for _ in 0..debugfs::read_u64(reader)? {
        tally.round()?;
    }
    Ok(())
}

struct HookStress {
    _files: Pin<KBox<Scope<Tally>>>,
}

impl kernel::Module for HookStress {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let tally = Tally {
            rounds: Atomic::new(0),
            calls: Atomic::new(0),
        };
        let root = debugfs::root()?;
        let files = root.scope(tally, c"hook_stress", |tally, dir| {
            dir.write_only_callback_file(c"rounds", tally, &rounds);
            dir.read_callback_file(c"done", tally, &|tally, f| {
                writeln!(f, "{}", tally.rounds.load(Relaxed))
            });
            dir.read_callback_file(c"calls", tally, &|tally, f| {
                writeln!(f, "{}", tally.calls.load(Relaxed))
            });
        });
        Ok(Self {
            _files: KBox::pin_init(files, GFP_KERNEL)?,
        })
    }
}
