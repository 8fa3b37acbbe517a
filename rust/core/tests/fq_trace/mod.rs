// SPDX-License-Identifier: GPL-2.0

//! Traces of events, played on the Rust FQ-CoDel and on the C one.

pub mod load;
mod play;
mod request;

pub use play::Seen;
pub use request::Options;

use crate::original::answers;
use play::{Answer, Player};

/// A packet that arrives.
#[derive(Clone, Debug, Default)]
pub struct Arrival {
    pub len: u32,
    pub truesize: u32,
    pub wmem: bool,
    pub dsfield: Option<u8>,
    pub hash: u32,
    pub priority: u32,
    /// What the filter says of it: an action (0: it is in class `classid`), or -1 when no
    /// filter is for it.
    pub verdict: i32,
    pub classid: u32,
}

/// The events of tests/fq_codel_harness.c.
#[derive(Clone, Debug)]
pub enum Event {
    New {
        mtu: u32,
        handle: u32,
        has_filter: bool,
        options: Options,
    },
    Change(Options),
    Enqueue {
        ns: u64,
        packet: Arrival,
    },
    Dequeue {
        ns: u64,
    },
    Peek {
        ns: u64,
    },
    Reset,
    Classes {
        ns: u64,
    },
}

impl Event {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut put = |word: u32| out.extend_from_slice(&word.to_ne_bytes());
        let mut put_time = |kind: u32, ns: u64| {
            put(kind);
            put(ns as u32);
            put((ns >> 32) as u32);
        };
        match self {
            Event::New {
                mtu,
                handle,
                has_filter,
                options,
            } => {
                [0, *mtu, *handle, u32::from(*has_filter)].map(&mut put);
                options.words().for_each(put);
            }
            Event::Change(options) => {
                put(1);
                options.words().for_each(put);
            }
            Event::Enqueue { ns, packet } => {
                put_time(2, *ns);
                [
                    packet.len,
                    packet.truesize,
                    u32::from(packet.wmem),
                    packet.dsfield.map_or(u32::MAX, u32::from),
                    packet.hash,
                    packet.priority,
                    packet.verdict as u32,
                    packet.classid,
                ]
                .map(put);
            }
            Event::Dequeue { ns } => put_time(3, *ns),
            Event::Peek { ns } => put_time(4, *ns),
            Event::Reset => put(5),
            Event::Classes { ns } => put_time(6, *ns),
        }
    }
}

/// Plays `trace` on both; the error tells of the first answer that differs.
pub fn compare(trace: &[Event], seen: &mut Seen) -> Result<(), String> {
    let theirs = play_theirs(trace);
    let mut theirs = theirs.as_slice();
    let mut player = Player::default();
    let mut ours = Answer::default();
    for (i, event) in trace.iter().enumerate() {
        ours.clear();
        player.play(event, &mut ours, seen);
        let (len, rest) = theirs.split_first().unwrap_or((&0, &[]));
        let (answer, rest) = rest.split_at(*len as usize);
        theirs = rest;
        if !ours.is(answer) {
            return Err(format!(
                "event {i} of {} differs: {event:?}\n{}  {:?}",
                trace.len(),
                ours.against(answer),
                player.params()
            ));
        }
    }
    player.finish(seen);
    match theirs.len() {
        0 => Ok(()),
        more => Err(format!("{more} words too much")),
    }
}

fn play_theirs(trace: &[Event]) -> Vec<u32> {
    let mut input = Vec::new();
    for event in trace {
        event.encode(&mut input);
    }
    answers(option_env!("FQ_CODEL_HARNESS"), input)
        .chunks_exact(4)
        .map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]))
        .collect()
}
