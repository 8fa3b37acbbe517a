// SPDX-License-Identifier: GPL-2.0

//! Adds hooks to functions whose addresses are written to a file: one hook for all functions, or
//! one for each. The handlers take the RCU read lock, read the clock and count.
//!
//! ```sh
//! cd /sys/kernel/debug/tackle/hook_all
//! echo each ffffffff81000000 ffffffff81000100 > arm
//! cat armed calls missed
//! echo > arm
//! echo late my_module:f my_module:my_init > arm
//! echo exits vfs_read my_module:f > arm
//! cat by_trampoline
//! ```
//!
//! `late` takes names of functions, whose modules need not be loaded. `exits` adds a hook to the
//! exit of each function that can be hooked, and ignores the others.

#![forbid(unsafe_code)]

use kernel::{
    new_mutex,
    prelude::*,
    str::CString,
    sync::{rcu, Arc, Mutex},
    uaccess::UserSliceReader,
};
use tackle::{
    debugfs::{self, Scope},
    ftrace::{
        self, Batch, Call, EntryHandler, EntryHook, ExitHandler, ExitHook, Mechanism, Return,
        Target, Targets,
    },
    percpu::Counter,
    time,
};

tackle::module! {
    type: HookAll,
    name: "hook_all",
    authors: ["The Tackle developers"],
    description: "Hooks on any functions",
    license: "GPL",
}

/// The counts of all hooks together.
struct Counts {
    calls: Counter,
    /// How often a handler read 0 from the clock.
    no_clock: Counter,
}

struct Counting(Arc<Counts>);

impl EntryHandler for Counting {
    fn entry(&self, _call: &Call) {
        let _guard = rcu::read_lock();
        if time::mono_fast_ns() == 0 {
            self.0.no_clock.increment();
        }
        self.0.calls.increment();
    }
}

impl ExitHandler for Counting {
    type Data = u64;

    fn entry(&self, _call: &Call) -> Option<u64> {
        Some(time::mono_fast_ns())
    }

    fn exit(&self, _ret: &Return, start: u64) {
        if start == 0 {
            self.0.no_clock.increment();
        }
        self.0.calls.increment();
    }
}

type Hook = Pin<KBox<EntryHook<Counting>>>;
type Exit = Pin<KBox<ExitHook<Counting>>>;

/// The hooks.
struct Armed {
    entries: KVVec<Hook>,
    exits: KVVec<Exit>,
}

impl Armed {
    /// Removes all hooks from their functions, with one grace period for entries and one for exits.
    fn take_off(&self) -> Result {
        let entries = self.entries.iter().map(|hook| hook.as_ref().hook());
        let exits = self.exits.iter().map(|hook| hook.as_ref().hook());
        ftrace::disarm_all(Iterator::chain(entries, exits))
    }

    /// Removes all hooks from their functions, and drops them.
    fn disarm(&mut self) -> Result {
        self.take_off()?;
        self.entries.clear();
        self.exits.clear();
        Ok(())
    }
}

#[pin_data]
struct Hooks {
    counts: Arc<Counts>,
    #[pin]
    armed: Mutex<Armed>,
}

impl Hooks {
    fn new() -> Result<impl PinInit<Self, Error>> {
        let counts = Counts {
            calls: Counter::new()?,
            no_clock: Counter::new()?,
        };
        let counts = Arc::new(counts, GFP_KERNEL)?;
        Ok(try_pin_init!(Self {
            counts,
            armed <- new_mutex!(Armed {
                entries: KVVec::new(),
                exits: KVVec::new(),
            }),
        }))
    }

    fn counting(&self) -> Counting {
        Counting(self.counts.clone())
    }

    /// Replaces the hooks by those in a line.
    fn arm(&self, reader: &mut UserSliceReader) -> Result {
        let mut text = KVVec::from_elem(0u8, reader.len(), GFP_KERNEL)?;
        reader.read_slice(&mut text)?;
        let text = core::str::from_utf8(&text)?;
        let mut words = text.split_ascii_whitespace();
        let kind = words.next();
        let mut armed = self.armed.lock();
        armed.disarm()?;
        if kind == Some("exits") {
            armed.exits = self.exits(words)?;
            return Ok(());
        }
        armed.entries = match kind {
            None => KVVec::new(),
            Some("each") => self.each(&addresses(words)?)?,
            Some("one") => self.one(&addresses(words)?[..])?,
            Some("late") => self.late(words)?,
            Some(_) => return Err(EINVAL),
        };
        Ok(())
    }

    /// Adds one hook to all these functions.
    fn one<'a>(&self, targets: impl Into<Targets<'a>>) -> Result<KVVec<Hook>> {
        let hook = EntryHook::new(targets.into(), self.counting());
        let mut hooks = KVVec::new();
        hooks.push(KBox::pin_init(hook, GFP_KERNEL)?, GFP_KERNEL)?;
        Ok(hooks)
    }

    /// Adds one hook to all functions with these names, now or when their modules are loaded.
    fn late<'a>(&self, words: impl Iterator<Item = &'a str>) -> Result<KVVec<Hook>> {
        let mut names = KVec::new();
        for word in words {
            names.push(CString::try_from_fmt(fmt!("{word}"))?, GFP_KERNEL)?;
        }
        let mut targets = KVec::new();
        for name in &names {
            targets.push(Target::new(name).when_loaded(), GFP_KERNEL)?;
        }
        self.one(&targets[..])
    }

    /// Returns a hook for the exit of each function with one of these names.
    fn exits<'a>(&self, words: impl Iterator<Item = &'a str>) -> Result<KVVec<Exit>> {
        let mut exits = KVVec::new();
        for word in words {
            let name = CString::try_from_fmt(fmt!("{word}"))?;
            match KBox::pin_init(ExitHook::new(&*name, self.counting()), GFP_KERNEL) {
                Ok(hook) => exits.push(hook, GFP_KERNEL)?,
                // Ignore names of several functions or of none, and functions that cannot be
                // traced.
                Err(ENOTUNIQ | EINVAL | ENOENT) => {}
                Err(error) => {
                    pr_err!("{word}: {}\n", ftrace::reason(error));
                    return Err(error);
                }
            }
        }
        Ok(exits)
    }

    /// Returns a hook for each of these functions.
    fn each(&self, addresses: &[usize]) -> Result<KVVec<Hook>> {
        let mut hooks = KVVec::with_capacity(addresses.len(), GFP_KERNEL)?;
        for _ in addresses {
            let hook = KBox::pin_init(EntryHook::disarmed(self.counting()), GFP_KERNEL)?;
            hooks.push(hook, GFP_KERNEL)?;
        }
        let mut batch = Batch::new();
        for (address, hook) in addresses.chunks(1).zip(&hooks) {
            batch.add(address, hook.as_ref().hook())?;
        }
        batch.arm().inspect_err(|error| {
            let address = error.index.and_then(|index| addresses.get(index));
            pr_err!("{address:x?}: {}\n", ftrace::reason(error.error));
        })?;
        Ok(hooks)
    }
}

fn addresses<'a>(words: impl Iterator<Item = &'a str>) -> Result<KVVec<usize>> {
    let mut addresses = KVVec::new();
    for word in words {
        let address = usize::from_str_radix(word, 16).map_err(|_| EINVAL)?;
        addresses.push(address, GFP_KERNEL)?;
    }
    Ok(addresses)
}

struct HookAll {
    files: Pin<KBox<Scope<Hooks>>>,
}

impl kernel::Module for HookAll {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let root = debugfs::root()?;
        let files = root.scope(Hooks::new()?, c"hook_all", |hooks, dir| {
            dir.write_only_callback_file(c"arm", hooks, &|hooks, line| hooks.arm(line));
            dir.read_callback_file(c"armed", hooks, &|hooks, f| {
                let armed = hooks.armed.lock();
                writeln!(f, "{}", armed.entries.len() + armed.exits.len())
            });
            dir.read_callback_file(c"by_trampoline", hooks, &|hooks, f| {
                let armed = hooks.armed.lock();
                let is_by =
                    |hook: &&Exit| matches!(hook.mechanism(), Some(Mechanism::Trampoline(_)));
                writeln!(f, "{}", armed.exits.iter().filter(is_by).count())
            });
            dir.read_callback_file(c"calls", hooks, &|hooks, f| {
                writeln!(f, "{}", hooks.counts.calls.sum())
            });
            dir.read_callback_file(c"no_clock", hooks, &|hooks, f| {
                writeln!(f, "{}", hooks.counts.no_clock.sum())
            });
            dir.read_callback_file(c"missed", hooks, &|hooks, f| {
                let armed = hooks.armed.lock();
                let entries = armed.entries.iter().map(|hook| hook.missed().total());
                let exits = armed.exits.iter().map(|hook| hook.missed().total());
                writeln!(f, "{}", entries.sum::<u64>() + exits.sum::<u64>())
            });
        });
        Ok(Self {
            files: KBox::pin_init(files, GFP_KERNEL)?,
        })
    }
}

impl Drop for HookAll {
    /// This takes one grace period, instead of one for each hook.
    fn drop(&mut self) {
        let armed = self.files.armed.lock();
        if let Err(error) = armed.take_off() {
            pr_err!("{}\n", ftrace::reason(error));
        }
    }
}
