// SPDX-License-Identifier: GPL-2.0

//! Hooks on every function that ftrace can trace, under load: no guest may crash or hang.
//!
//! The functions are those of `available_filter_functions_addrs`, in random order. There are
//! 100 for each of the rounds of the suite `stress`, so that an ordinary run takes a sample,
//! and `make stress` all of them. The random seed is in the report; `TACKLE_SEED` sets it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context as _, Result};

use super::stress::{rounds, seed};
use crate::suite::{list, Context, Suite};
use crate::sys::{cmd, debugfs, module, wait_often};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "every_function",
    by_name_only: false,
    tests: list![one_hook_on_each, one_hook_on_all],
};

const MODULE: &str = "hook_all";
const FUNCTIONS: &str = "/sys/kernel/tracing/available_filter_functions_addrs";

/// Functions that are hooked at once.
const BATCH: usize = 500;
/// How long the hooks of a batch stay, once one of them has seen a call.
const STAY: Duration = Duration::from_millis(300);

/// CPU, memory, timers, signals, file system and network.
const LOAD: &str = "stress-ng --quiet --temp-path /tmp --timeout 0 --cpu 1 --io 1 --vm 1 \
                    --vm-bytes 16m --hdd 1 --hdd-bytes 4m --fork 1 --switch 1 --timer 1 \
                    --signal 1 --sock 1 --udp 1 --epoll 1 --futex 1";

fn file(name: &str) -> std::path::PathBuf {
    debugfs::tackle(MODULE).join(name)
}

/// The addresses of functions, and the seed of their order.
struct Sample {
    addresses: Vec<String>,
    of: usize,
    seed: u64,
}

impl Sample {
    fn new() -> Result<Self> {
        let text = std::fs::read_to_string(FUNCTIONS).context("cannot read the functions")?;
        let mut addresses = addresses(&text);
        let of = addresses.len();
        ensure!(of > 1000, "{FUNCTIONS} has {of} functions only");
        let seed = seed()?;
        fastrand::Rng::with_seed(seed).shuffle(&mut addresses);
        addresses.truncate(rounds()? as usize * 100);
        Ok(Self {
            addresses,
            of,
            seed,
        })
    }

    fn tell(&self, context: &mut Context<'_>) -> Result<()> {
        let (count, of, seed) = (self.addresses.len(), self.of, self.seed);
        context.note(format!("{count} of {of} functions, seed {seed}"))
    }
}

/// The first word of each line.
fn addresses(text: &str) -> Vec<String> {
    let first = |line: &str| line.split_whitespace().next().map(str::to_string);
    text.lines().filter_map(first).collect()
}

/// The load; it ends with the value.
struct Load(#[expect(dead_code)] cmd::Kept);

impl Load {
    fn new() -> Result<Self> {
        Ok(Self(cmd::start(LOAD)?))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // It starts processes of its own, which would go on.
        let _ = cmd::output("pkill --signal KILL stress-ng");
    }
}

/// Puts hooks on functions.
fn arm(kind: &str, addresses: &[String]) -> Result<()> {
    let line = format!("{kind} {}", addresses.join(" "));
    debugfs::write(file("arm"), &line)?.with_context(|| {
        let (first, last) = (addresses.first(), addresses.last());
        let count = addresses.len();
        format!("cannot hook {count} functions, {first:?} to {last:?}")
    })
}

/// Waits until the hooks have seen a call, and a while longer; returns how many they have seen.
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

/// Hooks come and go while the functions are called.
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

/// The load begins when all functions are hooked: what patches them would take too long else,
/// on emulated processors.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_the_first_words() {
        let text = "ffffffff81000100 do_one_initcall\nffffffffc0000010 f [module]\n";
        assert_eq!(addresses(text), ["ffffffff81000100", "ffffffffc0000010"]);
    }
}
