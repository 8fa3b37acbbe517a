// SPDX-License-Identifier: GPL-2.0

//! Adds and removes hooks on request, in the context of the task that writes to a file. With a
//! writer on each CPU, that many tasks add and remove hooks on the same functions in parallel.
//!
//! ```sh
//! insmod hook_stress.ko functions=__x64_sys_getpgid,__x64_sys_getppid
//! cd /sys/kernel/debug/tackle/hook_stress
//! echo 10 > rounds    # returns after ten rounds
//! cat done registrations calls
//! ```
//!
//! In each round there are hooks at the entries of the functions, and as many at the exits, at the
//! same time. Some share a function. Some calls of a handler take so long that the task has to be
//! preempted when the handler returns. It is then preempted in the trampoline.
//!
//! A round fails with `ETIMEDOUT` if one of the functions is not called for a minute, and with
//! `EINTR` on a signal.

#![forbid(unsafe_code)]

use kernel::{
    prelude::*,
    str::CString,
    sync::atomic::{Atomic, Relaxed},
    time::{
        delay::{fsleep, udelay},
        Delta,
    },
    uaccess::UserSliceReader,
};
use tackle::{
    debugfs::{self, Scope},
    ftrace::{self, Call, EntryHandler, EntryHook, ExitHandler, ExitHook, Return},
};

tackle::module! {
    type: HookStress,
    name: "hook_stress",
    authors: ["The Tackle developers"],
    description: "Hooks that come and go on demand",
    license: "GPL",
}

tackle::string_param! {
    /// The functions to hook.
    static FUNCTIONS: StringParam<512> = "functions", "Kernel functions to hook, with commas";
}

/// The number of hooks at entries in a round, and the number of hooks at exits.
const HOOKS: usize = 5;

/// How often a round checks for a call. The interval is a millisecond.
const LOOKS: u32 = 60_000;

/// One call in this number takes long: long enough that a timer tick often comes during the call,
/// and rarely enough that other tasks make progress.
const LONG_EACH: u64 = 16;
const LONG: Delta = Delta::from_micros(200);

/// A handler that counts calls.
struct Counter(Atomic<u64>);

impl Counter {
    fn new() -> Self {
        Self(Atomic::new(0))
    }

    fn count(&self) {
        if self.0.fetch_add(1, Relaxed) % LONG_EACH == 0 {
            udelay(LONG);
        }
    }
}

impl EntryHandler for Counter {
    fn entry(&self, _call: &Call) {
        self.count();
    }
}

impl ExitHandler for Counter {
    type Data = ();

    fn entry(&self, _call: &Call) -> Option<()> {
        Some(())
    }

    fn exit(&self, _ret: &Return, (): ()) {
        self.count();
    }
}

/// The functions to hook, and the counts since the module was loaded.
struct Tally {
    functions: KVec<CString>,
    rounds: Atomic<u64>,
    registrations: Atomic<u64>,
    calls: Atomic<u64>,
}

impl Tally {
    fn new() -> Result<Self> {
        let mut functions = KVec::new();
        for name in FUNCTIONS.value().to_str()?.split(',') {
            functions.push(CString::try_from_fmt(fmt!("{name}"))?, GFP_KERNEL)?;
        }
        Ok(Self {
            functions,
            rounds: Atomic::new(0),
            registrations: Atomic::new(0),
            calls: Atomic::new(0),
        })
    }

    fn round(&self) -> Result {
        let mut entries = KVec::with_capacity(HOOKS, GFP_KERNEL)?;
        let mut exits = KVec::with_capacity(HOOKS, GFP_KERNEL)?;
        for function in self.functions.iter().cycle().take(HOOKS) {
            let function: &CStr = function;
            let told = |e: &Error| pr_err!("{function}: {}\n", ftrace::reason(*e));
            let entry = EntryHook::new(function, Counter::new());
            entries.push(
                KBox::pin_init(entry, GFP_KERNEL).inspect_err(told)?,
                GFP_KERNEL,
            )?;
            let exit = ExitHook::new(function, Counter::new());
            exits.push(
                KBox::pin_init(exit, GFP_KERNEL).inspect_err(told)?,
                GFP_KERNEL,
            )?;
        }
        for (entry, exit) in entries.iter().zip(&exits) {
            for counter in [entry.handler(), exit.handler()] {
                self.calls.fetch_add(await_call(&counter.0)?, Relaxed);
            }
        }
        for (entry, exit) in entries.into_iter().zip(exits) {
            drop(entry);
            drop(exit);
            self.registrations.fetch_add(2, Relaxed);
        }
        self.rounds.fetch_add(1, Relaxed);
        Ok(())
    }
}

/// Sleeps until there is a call, and returns the number of calls.
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

/// Handles a write to `rounds`.
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
        let tally = Tally::new()?;
        let root = debugfs::root()?;
        let files = root.scope(tally, c"hook_stress", |tally, dir| {
            dir.write_only_callback_file(c"rounds", tally, &rounds);
            dir.read_callback_file(c"done", tally, &|tally, f| {
                writeln!(f, "{}", tally.rounds.load(Relaxed))
            });
            dir.read_callback_file(c"registrations", tally, &|tally, f| {
                writeln!(f, "{}", tally.registrations.load(Relaxed))
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
