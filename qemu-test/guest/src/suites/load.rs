// SPDX-License-Identifier: GPL-2.0

//! Tests many rounds of loading, using and unloading all modules, and looks for leaks.

use anyhow::{ensure, Context as _, Result};
use nix::errno::Errno;

use crate::suite::{list, Context, Suite};
use crate::sys::codel::attribute;
use crate::sys::dummy::Dummy;
use crate::sys::kernel::has_kasan;
use crate::sys::livepatch::{self, Patch};
use crate::sys::module::{self, Installed, CLIENTS, FTRACE, LIBRARY, QDISCS};
use crate::sys::qdisc::{handle, How, Tc};
use crate::sys::slab::{growing, Memory};
use crate::sys::twins::BLOCKED;
use crate::sys::{cmd, debugfs, expect_errno, numa, numa_stat};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "load",
    by_name_only: false,
    tests: list![the_sample_is_a_fifo, a_qdisc_needs_no_hooks, many_rounds],
};

/// Returns the number of rounds. With KASAN a round takes ten times as long, so there are fewer.
fn rounds() -> usize {
    if has_kasan() {
        10
    } else {
        50
    }
}

/// Tests `samples/qdisc_fifo.rs` below a parent that lets two of its packets through.
fn the_sample_is_a_fifo(_: &mut Context<'_>) -> Result<()> {
    let stack = module::stack("qdisc_fifo", "")?;
    let device = Dummy::new("tkd0", 1)?;
    let tc = Tc::open()?;
    for (packets, shown) in [(12, (10, 0)), (1100, (1000, 98))] {
        cmd::run(BLOCKED)?;
        tc.put_below(How::Add, device.index, handle(1, 1), "fifo_sample", None)??;
        // A socket has room for about 200 packets.
        for _ in 0..packets / 4 {
            device.send(4)?;
        }
        let seen = tc.find(device.index, handle(1, 1))?;
        ensure!(
            (seen.qlen, seen.drops) == shown,
            "expected {shown:?} packets waiting and dropped, got {seen:?}"
        );
        tc.set_up(device.index, false)??;
        let left = tc.find(device.index, handle(1, 1))?.qlen;
        ensure!(
            left == 0,
            "expected no packets on a device that is down, got {left}"
        );
        tc.set_up(device.index, true)??;
        tc.delete(device.index)??;
    }
    let options = attribute(1, &[1, 0, 0, 0]);
    let answer = tc.put(How::Add, device.index, "fifo_sample", Some(&options))?;
    expect_errno("options, of which there are none", answer, Errno::EINVAL)?;
    drop(device);
    stack.unload()
}

/// Tests which modules `modprobe` loads for a queueing discipline and for hooks.
fn a_qdisc_needs_no_hooks(context: &mut Context<'_>) -> Result<()> {
    let before = module::loaded()?;
    let needed = |name: &'static str| -> Result<Vec<String>> {
        let _installed = Installed::new(&[LIBRARY, FTRACE, name])?;
        cmd::run(&format!("modprobe {name}"))?;
        let mut needed = module::loaded()?;
        needed.retain(|module| !before.contains(module));
        let answers = module::users_first(needed.clone())
            .into_iter()
            .map(|module| module::rmmod(&module));
        answers.collect::<Result<Vec<_>, _>>()?;
        Ok(needed.into_iter().collect())
    };
    for name in QDISCS {
        let all = needed(name)?;
        context.note(format!("{name}: {all:?}"))?;
        ensure!(
            all == [name, LIBRARY],
            "expected {name} and {LIBRARY}, got {all:?}"
        );
    }
    let all = needed("tackle_hooks")?;
    ensure!(
        all == [LIBRARY, FTRACE, "tackle_hooks"],
        "expected the whole library, got {all:?}"
    );
    Ok(())
}

/// The interval between two snapshots of the kernel's memory, in tenths of the rounds. The first
/// snapshot is taken after one tenth, because caches fill up before that.
const STEP: usize = 3;
/// How many snapshots show whether a cache grows. While a cache still seems to grow, there are more
/// rounds, and only the last snapshots count. A cache that fills up stops growing, a leak does not.
const STOCKS: usize = 4;
/// The maximum number of tenths of the rounds.
const TENTHS: usize = 1 + 6 * STEP;
/// The allowed growth of the kernel's memory between the first and the last snapshot, in bytes.
/// Other tasks of the guest use memory, too.
const SLACK: u64 = 1 << 20;

/// Returns the modules in an order that differs from round to round: the `number`-th
/// permutation.
fn order(modules: &[&'static str], number: usize) -> Vec<&'static str> {
    let mut left = modules.to_vec();
    let mut rest = number;
    let mut take = |_| {
        let place = rest % left.len();
        rest /= left.len();
        left.remove(place)
    };
    modules.iter().map(&mut take).collect()
}

/// Returns the modules that can be loaded.
fn modules() -> Vec<&'static str> {
    let can = |name: &&str| !name.starts_with("numa_") || numa::can_balance();
    CLIENTS.into_iter().filter(can).collect()
}

enum Held {
    Plain(module::Loaded),
    Patch(Patch),
}

impl Held {
    fn load(name: &'static str) -> Result<Self> {
        Ok(match name {
            livepatch::NAME => Self::Patch(Patch::load()?),
            "hook_count" | "hook_latency" => {
                Self::Plain(module::load(name, "function=cmdline_proc_show")?)
            }
            _ => Self::Plain(module::load(name, "")?),
        })
    }

    fn unload(self) -> Result<()> {
        match self {
            Self::Plain(module) => module.unload(),
            Self::Patch(patch) => patch.unload(),
        }
    }
}

fn round(number: usize, device: &Dummy, tc: &Tc) -> Result<()> {
    let library = module::library()?;
    let modules = modules();
    let mut held = Vec::new();
    for name in order(&modules, number) {
        held.push((name, Held::load(name)?));
    }
    make_use(device, tc)?;
    // 11 does not divide the factorial of a smaller number, so the pairs of orders differ, too.
    for name in order(&modules, 11 * number + 3) {
        let place = held.iter().position(|(held, _)| *held == name);
        let (_, module) = held.remove(place.context("each module is held once")?);
        module.unload()?;
    }
    library.unload()
}

/// Uses each module for a moment.
fn make_use(device: &Dummy, tc: &Tc) -> Result<()> {
    let text = livepatch::cmdline()?;
    ensure!(
        text == livepatch::TEXT,
        "expected the patched text, got '{text}'"
    );
    let calls: u64 = debugfs::value(debugfs::tackle("hook_count/calls"))?;
    ensure!(calls >= 1, "expected a call counted, got {calls}");
    if numa::can_balance() {
        numa_stat::rows("tasks", "pid")?;
    }
    for kind in ["rcodel", "rfq_codel", "fifo_sample"] {
        tc.put(How::Add, device.index, kind, None)??;
        device.send(10)?;
        let packets = tc.show(device.index)?.packets;
        ensure!(packets == 10, "{kind}: expected 10 packets, got {packets}");
        tc.delete(device.index)??;
    }
    Ok(())
}

fn many_rounds(context: &mut Context<'_>) -> Result<()> {
    let device = Dummy::new("tkd0", 1)?;
    let tc = Tc::open()?;
    let mut stock = Vec::new();
    let tenth = rounds() / 10;
    // In the first round, the kernel loads further modules by itself, which stay loaded.
    round(0, &device, &tc)?;
    let before = module::loaded()?;
    for number in 1..=TENTHS * tenth {
        round(number, &device, &tc).with_context(|| format!("in round {number}"))?;
        if number % tenth != 0 {
            continue;
        }
        context.note(format!("{number} rounds"))?;
        if number / tenth % STEP != 1 {
            continue;
        }
        let now = Memory::now()?;
        context.note(format!(
            "slab {} KiB, vmalloc {} KiB, per processor {} KiB",
            now.slab() >> 10,
            now.vmalloc >> 10,
            now.percpu >> 10
        ))?;
        stock.push(now);
        if stock.len() >= STOCKS && suspects(&stock, tenth).is_empty() {
            break;
        }
    }
    let after = module::loaded()?;
    ensure!(
        after == before,
        "expected the modules {before:?}, got {after:?}"
    );
    expect_no_growth(&stock, tenth)
}

/// Returns the caches that grew by at least one object per round between each two of the last
/// snapshots.
fn suspects(stock: &[Memory], tenth: usize) -> Vec<String> {
    let last = &stock[stock.len().saturating_sub(STOCKS)..];
    growing(last, (STEP * tenth) as u64)
}

fn expect_no_growth(stock: &[Memory], tenth: usize) -> Result<()> {
    let (Some(first), Some(last)) = (stock.first(), stock.last()) else {
        anyhow::bail!("no stock was taken");
    };
    for (what, before, after) in [
        ("slab", first.slab(), last.slab()),
        ("vmalloc", first.vmalloc, last.vmalloc),
        ("per-processor memory", first.percpu, last.percpu),
    ] {
        let growth = after.saturating_sub(before);
        ensure!(
            growth < SLACK,
            "expected {what} to grow by less than {SLACK} bytes, got {growth}"
        );
    }
    let suspects = suspects(stock, tenth);
    ensure!(
        suspects.is_empty(),
        "caches that grow with every round: {suspects:?}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sys::slab::Cache;

    #[test]
    fn the_first_orders_are_all_there_are() {
        // All clients would have too many permutations.
        let some = &CLIENTS[..7];
        let count = (1..=some.len()).product();
        let order = |number| order(some, number);
        let orders: BTreeSet<_> = (0..count).map(order).collect();
        assert_eq!(orders.len(), count);
        assert_eq!(order(count), order(0));
        for order in orders {
            assert_eq!(BTreeSet::from_iter(&order), BTreeSet::from_iter(some));
        }
    }

    #[test]
    fn growth_of_all_memory_is_seen() {
        let memory = |vmalloc| Memory {
            vmalloc,
            ..Memory::default()
        };
        assert!(expect_no_growth(&[memory(0), memory(1 << 19)], 1).is_ok());
        assert!(expect_no_growth(&[memory(0), memory(1 << 21)], 1).is_err());
        assert!(expect_no_growth(&[], 1).is_err());
    }

    #[test]
    fn the_last_stocks_tell_whether_a_cache_grows() {
        let stock = |counts: &[u64]| -> Vec<Memory> {
            let memory = |&active: &u64| Memory {
                caches: [("some".to_owned(), Cache { active, size: 8 })].into(),
                ..Memory::default()
            };
            counts.iter().map(memory).collect()
        };
        let fills_up = stock(&[0, 126, 154, 161, 161]);
        assert_eq!(suspects(&fills_up[..4], 1), ["some [126, 28, 7]"]);
        assert!(suspects(&fills_up, 1).is_empty());
        assert!(expect_no_growth(&fills_up, 1).is_ok());
        let leaks = stock(&[0, 126, 129, 132, 135, 138]);
        assert_eq!(suspects(&leaks, 1), ["some [3, 3, 3]"]);
        assert!(expect_no_growth(&leaks, 1).is_err());
    }
}
