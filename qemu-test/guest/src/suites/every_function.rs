// SPDX-License-Identifier: GPL-2.0

//! Tests hooks on every function that ftrace can trace, under load. The guest must not crash or
//! hang.
//!
//! The functions are those of `available_filter_functions_addrs`, in random order. There are 100
//! functions for each of the rounds of the suite `stress`. So an ordinary run tests a sample, and
//! `make stress` tests all functions. The random seed is in the report; `TACKLE_SEED` sets it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context as _, Result};

use super::stress::{rounds, seed};
use crate::suite::{list, Context, Suite};
use crate::sys::bpf::has_btf;
use crate::sys::{cmd, debugfs, module, wait_often};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "every_function",
    by_name_only: false,
    tests: list![one_hook_on_each, one_hook_on_all, an_exit_hook_on_each],
};

const MODULE: &str = "hook_all";
const FUNCTIONS: &str = "/sys/kernel/tracing/available_filter_functions_addrs";

/// The number of functions that are hooked at the same time.
const BATCH: usize = 500;
/// How long the hooks of a batch remain after one of them has seen a call.
const STAY: Duration = Duration::from_millis(300);

/// The load uses the CPU, memory, timers, signals, the file system and the network.
const LOAD: &str = "stress-ng --quiet --temp-path /tmp --timeout 0 --cpu 1 --io 1 --vm 1 \
                    --vm-bytes 16m --hdd 1 --hdd-bytes 4m --fork 1 --switch 1 --timer 1 \
                    --signal 1 --sock 1 --udp 1 --epoll 1 --futex 1";

fn file(name: &str) -> std::path::PathBuf {
    debugfs::tackle(MODULE).join(name)
}

/// The number of functions whose exits are hooked at the same time. Each hook has a registration of
/// its own, which takes a second in a guest under load. A task that registers more hooks would
/// delay grace periods of RCU tasks.
const EXITS: usize = 20;
/// The exit of one function in 40 is hooked.
const EXIT_SHARE: usize = 40;
/// A function that the load calls. It is tested in addition to the sample.
const CALLED: &str = "vfs_write";

/// Functions in random order, and the seed of the order.
struct Sample {
    addresses: Vec<String>,
    /// The name of each function, as `[MODULE:]FUNCTION`.
    names: Vec<String>,
    of: usize,
    seed: u64,
}

impl Sample {
    fn new() -> Result<Self> {
        let text = std::fs::read_to_string(FUNCTIONS).context("cannot read the functions")?;
        let mut functions = functions(&text);
        let of = functions.len();
        ensure!(of > 1000, "{FUNCTIONS} has {of} functions only");
        let seed = seed()?;
        fastrand::Rng::with_seed(seed).shuffle(&mut functions);
        functions.truncate(rounds()? as usize * 100);
        let (addresses, names) = functions.into_iter().unzip();
        Ok(Self {
            addresses,
            names,
            of,
            seed,
        })
    }

    fn tell(&self, context: &mut Context<'_>) -> Result<()> {
        let (count, of, seed) = (self.addresses.len(), self.of, self.seed);
        context.note(format!("{count} of {of} functions, seed {seed}"))
    }
}

/// Returns the address and the name, `[MODULE:]FUNCTION`, of each line.
fn functions(text: &str) -> Vec<(String, String)> {
    let function = |line: &str| {
        let mut words = line.split_whitespace();
        let (address, name) = (words.next()?.to_owned(), words.next()?);
        let module = words.next().map(|word| word.trim_matches(['[', ']']));
        let name = match module {
            Some(module) => format!("{module}:{name}"),
            None => name.to_owned(),
        };
        Some((address, name))
    };
    text.lines().filter_map(function).collect()
}

/// The load. It is killed when this is dropped.
struct Load(#[expect(dead_code)] cmd::Kept);

impl Load {
    fn new() -> Result<Self> {
        Ok(Self(cmd::start(LOAD)?))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // The load starts further processes, which would continue.
        let _ = cmd::output("pkill --signal KILL stress-ng");
    }
}

/// Adds hooks to functions.
fn arm(kind: &str, addresses: &[String]) -> Result<()> {
    let line = format!("{kind} {}", addresses.join(" "));
    debugfs::write(file("arm"), &line)?.with_context(|| {
        let (first, last) = (addresses.first(), addresses.last());
        let count = addresses.len();
        format!("cannot hook {count} functions, {first:?} to {last:?}")
    })
}

/// Waits until the hooks have seen a call, and then for [`STAY`]. Returns the number of calls that
/// they have seen.
fn stay(before: u64) -> Result<u64> {
    let seen = || debugfs::value::<u64>(file("calls")).map(|calls| calls - before);
    wait_often(
        "a call of a hooked function",
        Duration::from_millis(10),
        Duration::from_secs(100),
        || Ok((seen()? > 0).then_some(())),
    )?;
    sleep(STAY);
    seen()
}

fn end(stack: module::Stack, context: &mut Context<'_>, calls: u64) -> Result<()> {
    let missed: u64 = debugfs::value(file("missed"))?;
    debugfs::set(file("arm"), "\n")?;
    let without_clock: u64 = debugfs::value(file("no_clock"))?;
    ensure!(
        without_clock == 0,
        "{without_clock} handlers read a clock of 0"
    );
    context.note(format!(
        "{calls} calls seen, {missed} of the last batch missed"
    ))?;
    stack.unload()
}

/// Tests an entry hook on each function. Hooks are added and removed while the functions are
/// called.
fn one_hook_on_each(context: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    let sample = Sample::new()?;
    sample.tell(context)?;
    let load = Load::new()?;
    let mut calls = 0;
    for (number, batch) in sample.addresses.chunks(BATCH).enumerate() {
        let before = debugfs::value(file("calls"))?;
        arm("each", batch)?;
        calls += stay(before)?;
        if number % 10 == 9 {
            context.note(format!("{} functions", (number + 1) * BATCH))?;
        }
    }
    drop(load);
    end(stack, context, calls)
}

/// Tests one hook on all functions. The load starts after all functions are hooked, because
/// patching the functions under load would take too long on emulated processors.
fn one_hook_on_all(context: &mut Context<'_>) -> Result<()> {
    let stack = module::stack(MODULE, "")?;
    let sample = Sample::new()?;
    sample.tell(context)?;
    let start = Instant::now();
    arm("one", &sample.addresses)?;
    let took = start.elapsed().as_secs_f32();
    context.note(format!("hooked in {took:.1} s"))?;
    let load = Load::new()?;
    let before = debugfs::value(file("calls"))?;
    let mut calls = 0;
    for _ in 0..10 {
        calls = stay(before)?;
        context.note(format!("{calls} calls"))?;
    }
    drop(load);
    end(stack, context, calls)
}

/// Tests an exit hook on each function. Trampolines call the functions if they can. Tasks of the
/// system may sleep in some functions for ever, and keep the library loaded.
fn an_exit_hook_on_each(context: &mut Context<'_>) -> Result<()> {
    context.may_stay(&[module::FTRACE, module::LIBRARY]);
    let library = module::library()?;
    let hooks = module::load(MODULE, "")?;
    let sample = Sample::new()?;
    sample.tell(context)?;
    let load = Load::new()?;
    let (mut armed, mut by_trampoline) = (0, 0);
    let (mut calls, before): (u64, u64) = (0, debugfs::value(file("calls"))?);
    let names = sample.names.iter().step_by(EXIT_SHARE).map(String::as_str);
    let mut names: Vec<_> = names.filter(|name| *name != CALLED).collect();
    names.insert(0, CALLED);
    for (number, batch) in names.chunks(EXITS).enumerate() {
        debugfs::set(file("arm"), &format!("exits {}", batch.join(" ")))?;
        armed += debugfs::value::<u64>(file("armed"))?;
        by_trampoline += debugfs::value::<u64>(file("by_trampoline"))?;
        // The first batch has a function that the load calls. Functions of other batches may not be
        // called.
        calls = stay(before)?;
        if number % 5 == 4 {
            context.note(format!("{} functions, {calls} calls", (number + 1) * EXITS))?;
        }
    }
    drop(load);
    debugfs::set(file("arm"), "\n")?;
    context.note(format!(
        "{armed} of {} hooked, {by_trampoline} by trampolines; {calls} calls have returned",
        names.len()
    ))?;
    ensure!(armed > 0 && calls > 0, "nothing was hooked or called");
    if has_btf("vmlinux") {
        ensure!(by_trampoline > armed / 2, "too few by trampolines");
    }
    library.leave();
    hooks.unload()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_addresses_and_names() {
        let text = "ffffffff81000100 do_one_initcall\nffffffffc0000010 f [module]\n";
        let functions: Vec<_> = functions(text);
        assert_eq!(functions[0].0, "ffffffff81000100");
        assert_eq!(functions[0].1, "do_one_initcall");
        assert_eq!(functions[1].1, "module:f");
    }
}
