// SPDX-License-Identifier: GPL-2.0

//! Implements the process that sends messages. The program starts itself once for each seed.

use std::collections::BTreeMap;

use anyhow::{bail, ensure, Result};
use fastrand::Rng;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use tackle_core::codel::MAX_US;

use super::message::{Kind, Message, Side};
use super::mutate::mutate;
use super::valid::{self, GET, OBJECTS, QDISC};
use super::world::{Answer, Asker, World, FLOWS};

/// What the worker does.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What all that is random comes from
    #[arg(long)]
    seed: u64,
    /// How many messages to send
    #[arg(long)]
    messages: u32,
    /// Send to the device with this index here, where nothing may be changed, instead of to
    /// devices in name spaces of their own
    #[arg(long)]
    forbidden: Option<i32>,
}

/// The result of a worker.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Sum {
    /// Messages that were sent to each side.
    pub messages: u32,
    /// Orders that the kernel executed.
    pub accepted: u32,
    /// Messages that the kernel refused, by the name of the error number.
    pub refused: BTreeMap<String, u32>,
    /// Messages with a time that only our kinds refuse.
    pub too_long: u32,
    /// Messages with the current number of flows, which only our kind accepts.
    pub same_flows: u32,
    /// How often both devices were cleared, because only one side had executed an order.
    pub cleared: u32,
}

impl Sum {
    fn add(&mut self, message: &Message, answers: &[Answer]) {
        self.messages += 1;
        for answer in answers {
            match answer {
                Answer::Verdict { own: false, .. } => {}
                Answer::Verdict { errno, .. } if *errno == Errno::from_raw(0) => {
                    self.accepted += u32::from(message.is_order());
                }
                Answer::Verdict { errno, .. } => {
                    *self.refused.entry(format!("{errno:?}")).or_default() += 1;
                }
                Answer::Qdisc { .. } | Answer::Other(_) => {}
            }
        }
    }

    /// Adds the figures of another worker.
    pub fn join(&mut self, other: Self) {
        self.messages += other.messages;
        self.accepted += other.accepted;
        self.too_long += other.too_long;
        self.same_flows += other.same_flows;
        self.cleared += other.cleared;
        for (errno, count) in other.refused {
            *self.refused.entry(errno).or_default() += count;
        }
    }
}

/// Sends the messages, and prints the [`Sum`] as JSON.
///
/// # Errors
///
/// The answers of the kernel's kinds and ours differ, a device does not work afterwards, or
/// something was changed without permission.
pub fn work(args: &Args) -> Result<()> {
    let sum = match args.forbidden {
        Some(index) => without_rights(args, index)?,
        None => beside(args)?,
    };
    println!("{}", serde_json::to_string(&sum)?);
    Ok(())
}

fn next(rng: &mut Rng, index: i32) -> Message {
    let mut message = valid::message(rng, index);
    mutate(rng, &mut message);
    message
}

/// The kernel's warning about malformed attributes. It remains as the text of an error without a
/// reason.
const REMARK: &str = "bytes leftover after parsing attributes";

/// Returns whether answers are the same. The error text of our kinds may be longer: it must start
/// with the kernel's text, which may be empty.
fn agree(expected: &[Answer], got: &[Answer]) -> bool {
    let like = |(expected, got): (&Answer, &Answer)| match (expected, got) {
        (
            Answer::Verdict { errno, text, own },
            Answer::Verdict {
                errno: got,
                text: said,
                own: as_own,
            },
        ) => errno == got && own == as_own && (text == REMARK || said.starts_with(text)),
        (expected, got) => expected == got,
    };
    expected.len() == got.len() && expected.iter().zip(got).all(like)
}

/// Returns whether an order was refused because a time is too long for CoDel.
fn is_too_long(answer: &Answer) -> bool {
    let limit = format!("allowed are up to {MAX_US} us");
    matches!(answer, Answer::Verdict { text, errno: Errno::EINVAL, .. } if text.ends_with(&limit))
}

/// Returns whether an order was executed.
fn is_accepted(answer: &Answer) -> bool {
    matches!(answer, Answer::Verdict { errno, .. } if *errno == Errno::from_raw(0))
}

/// Returns the number of flows of a message about `fq_codel`, if the original refuses the message
/// without a text and our kind accepts it.
fn same_flows(message: &Message, expected: &[Answer], got: &[Answer]) -> Option<u32> {
    let is_bare = |answer: &Answer| match answer {
        Answer::Verdict { errno, text, .. } => *errno == Errno::EINVAL && text.is_empty(),
        _ => false,
    };
    let differ = expected.iter().any(is_bare) && got.iter().any(is_accepted);
    let is_about_it = message.kind == QDISC && message.names(Kind::FqCodel);
    message.option(FLOWS).filter(|_| differ && is_about_it)
}

/// Removes the qdiscs on both sides after only one side has executed an order.
fn clear(theirs: &World, ours: &World, sum: &mut Sum) -> Result<()> {
    sum.cleared += 1;
    theirs.clear()?;
    ours.clear()
}

/// Sends messages to the kernel's kinds and to ours.
fn beside(args: &Args) -> Result<Sum> {
    let mut theirs = World::new(Side::Theirs)?;
    let mut ours = World::new(Side::Ours)?;
    ensure!(theirs.index == ours.index, "the devices differ");
    let mut rng = Rng::with_seed(args.seed);
    let mut sum = Sum::default();
    for number in 0..args.messages {
        let message = next(&mut rng, theirs.index as i32);
        let got = ours.asker.ask(&message)?;
        if got.iter().any(is_too_long) {
            // A refused message leaves our side unchanged. The kernel's side would accept it, so it
            // is not sent there.
            ensure!(
                message.has_word_above(MAX_US),
                "message {number}: no time is too long, but got {got:?} to {message:?}"
            );
            sum.too_long += 1;
            if got.iter().any(is_accepted) {
                clear(&theirs, &ours, &mut sum)?;
            }
            continue;
        }
        let mut expected = theirs.asker.ask(&message)?;
        if let Some(flows) = same_flows(&message, &expected, &got) {
            ensure!(
                ours.shows_flows(flows)?,
                "message {number}: expected no other number of flows to be accepted: {message:?}"
            );
            sum.same_flows += 1;
            expected = theirs.asker.ask(&message.without_option(FLOWS))?;
            if !agree(&expected, &got) {
                // The kernel has read the option from a place that `without_option` does not know.
                clear(&theirs, &ours, &mut sum)?;
                continue;
            }
        }
        ensure!(
            agree(&expected, &got),
            "message {number}: expected {expected:?}, got {got:?} to {message:?}"
        );
        sum.add(&message, &got);
        if rng.u8(..4) == 0 {
            let count = rng.u32(..6);
            theirs.send(count);
            ours.send(count);
        }
    }
    theirs.check("codel")?;
    theirs.check("fq_codel")?;
    ours.check("rcodel")?;
    ours.check("rfq_codel")?;
    Ok(sum)
}

/// Sends messages to a device without the permission to change it.
fn without_rights(args: &Args, index: i32) -> Result<Sum> {
    let mut rng = Rng::with_seed(args.seed);
    let mut asker = Asker::new(Side::Ours)?;
    let mut sum = Sum::default();
    for _ in 0..args.messages {
        let message = next(&mut rng, index);
        let answers = asker.ask(&message)?;
        let before = sum.accepted;
        sum.add(&message, &answers);
        if sum.accepted > before && !OBJECTS.contains(&message.kind.wrapping_sub(GET)) {
            bail!("the kernel carried out {message:?}");
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_may_say_more_but_nothing_else() {
        let verdict = |errno, text: &str| {
            let text = text.to_owned();
            let own = true;
            vec![Answer::Verdict { errno, text, own }]
        };
        let bare = verdict(Errno::EINVAL, "");
        let told = verdict(Errno::EINVAL, "too many: up to 5");
        assert!(agree(&bare, &bare) && agree(&bare, &told) && agree(&told, &told));
        assert!(agree(&verdict(Errno::EINVAL, "too many"), &told));
        assert!(agree(&verdict(Errno::EINVAL, REMARK), &told));
        assert!(!agree(&told, &bare));
        assert!(!agree(&bare, &verdict(Errno::ERANGE, "")));
        assert!(!agree(&bare, &[]));
    }
}
