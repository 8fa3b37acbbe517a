// SPDX-License-Identifier: GPL-2.0

//! Tests random and mutated netlink messages about qdiscs, classes, filters and chains.
//!
//! Each message is sent twice: to a device in a network namespace with the kernel's `codel` and
//! `fq_codel`, and to a device in a namespace with our kinds. The answers must be the same,
//! including the kernel's error texts and the dumps of qdiscs. Packets are sent between the
//! messages. In the end, each kind is added to its device and must send packets. There are three
//! intended differences. Our kinds refuse times that are too long for CoDel, accept a change to the
//! same number of flows, and show times rounded up instead of down.
//!
//! Each batch of messages is a process (`worker.rs`) with its own seed. If a batch fails, the error
//! has the seed. The batch can be repeated in `make shell`:
//!
//! ```sh
//! insmod tackle.ko; insmod sch_rcodel.ko; insmod sch_rfq_codel.ko
//! tackle-guest netlink-fuzz --seed SEED --messages 500
//! ```
//!
//! There are 100 messages for each of the rounds of the suite `stress`.

mod message;
mod mutate;
mod valid;
pub mod worker;
mod world;

use std::env;

use anyhow::{ensure, Context as _, Result};

use self::worker::Sum;
use super::stress::rounds;
use crate::suite::{list, Context, Suite};
use crate::sys::dummy::Dummy;
use crate::sys::qdisc::{How, Tc};
use crate::sys::{cmd, debugfs, module};

/// The suite.
pub const SUITE: Suite = Suite {
    name: "netlink_fuzz",
    by_name_only: false,
    tests: list![
        answers_are_those_of_the_originals,
        answers_are_the_same_in_a_user_namespace,
        others_change_nothing,
    ],
};

/// The number of messages of a batch.
const BATCH: u32 = 250;

/// How many of a hundred messages each test sends.
const ROOT: u32 = 50;
const USER: u32 = 40;
const OTHERS: u32 = 10;

const NOBODY: &str = "setpriv --reuid=65534 --regid=65534 --clear-groups";

/// The file with the path of the program by which the kernel loads modules.
const MODPROBE: &str = "/proc/sys/kernel/modprobe";

/// Prevents the kernel from loading modules until this is dropped. The messages name many unknown
/// kinds, and each of them would start a program.
struct Quiet(String);

impl Quiet {
    fn new() -> Result<Self> {
        let path = debugfs::read(MODPROBE)?;
        debugfs::set(MODPROBE, "\n")?;
        Ok(Self(path))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Err(error) = debugfs::set(MODPROBE, &self.0) {
            eprintln!("{error:#}");
        }
    }
}

/// Runs a test with the modules of all kinds that the messages name.
fn with_kinds(test: impl FnOnce() -> Result<()>) -> Result<()> {
    cmd::run("modprobe -a dummy sch_codel sch_fq_codel")?;
    // If the kernel lacks these modules, both sides refuse messages that name their kinds.
    for name in [
        "sch_prio",
        "sch_tbf",
        "sch_ingress",
        "cls_matchall",
        "cls_basic",
        "cls_u32",
    ] {
        let _ = cmd::run(&format!("modprobe {name}"));
    }
    let stack = module::qdiscs()?;
    let quiet = Quiet::new()?;
    test()?;
    drop(quiet);
    stack.unload()
}

/// Starts workers by the command `by`, until `share` messages have been sent for each round.
fn run(context: &mut Context<'_>, by: &str, share: u32, words: &str) -> Result<()> {
    let program = env::current_exe().context("where is this program?")?;
    let program = program.display();
    let mut sum = Sum::default();
    let messages = rounds()? * share;
    // Each batch has its own seed, so a failing batch can be rerun alone.
    let first = fastrand::u64(..);
    for number in 0..messages.div_ceil(BATCH) {
        let seed = first.wrapping_add(number.into());
        let line = format!("{by} {program} netlink-fuzz --seed {seed} --messages {BATCH} {words}");
        let text = cmd::run(&line)?;
        sum.join(serde_json::from_str(&text).with_context(|| format!("no sum: {text}"))?);
        if number % 20 == 19 {
            context.note(format!("{} messages", sum.messages))?;
        }
    }
    let Sum {
        messages,
        accepted,
        refused,
        too_long,
        same_flows,
        cleared,
    } = &sum;
    context.note(format!(
        "netlink_fuzz: {messages} messages, {accepted} orders carried out, refused: {refused:?}; \
         by ours alone: {too_long} with too long a time refused, {same_flows} with the same \
         number of flows accepted; both sides cleared {cleared} times; seeds from {first}"
    ))?;
    ensure!(
        !refused.is_empty() && cleared * 100 <= *messages,
        "expected some to be refused, and the sides to differ after one in a hundred at most, \
         got {sum:?}"
    );
    Ok(())
}

fn answers_are_those_of_the_originals(context: &mut Context<'_>) -> Result<()> {
    with_kinds(|| run(context, "", ROOT, ""))
}

fn answers_are_the_same_in_a_user_namespace(context: &mut Context<'_>) -> Result<()> {
    let by = format!("{NOBODY} unshare --user --map-root-user");
    with_kinds(|| run(context, &by, USER, ""))
}

fn others_change_nothing(context: &mut Context<'_>) -> Result<()> {
    with_kinds(|| {
        let device = Dummy::new("fuzz1", 32)?;
        let tc = Tc::open()?;
        tc.put(How::Replace, device.index, "rfq_codel", None)??;
        let before = tc.show(device.index)?;
        let words = format!("--forbidden {}", device.index);
        run(context, NOBODY, OTHERS, &words)?;
        let after = tc.show(device.index)?;
        ensure!(
            (&after.kind, &after.options) == (&before.kind, &before.options),
            "expected {before:?}, got {after:?}"
        );
        Ok(())
    })
}
