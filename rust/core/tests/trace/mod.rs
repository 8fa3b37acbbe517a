// SPDX-License-Identifier: GPL-2.0

//! Traces of events, played on the Rust CoDel and on the C one.

pub mod load;

use crate::model::Sim;
use crate::original::answers;
use std::fmt::{self, Write as _};
use tackle_core::codel::{Params, Time, Vars, MAX_DROPS_PER_DEQUEUE};

/// The events of tests/codel_harness.c; [`fmt::Display`] writes its input.
#[derive(Clone, Debug)]
pub enum Event {
    Restart,
    Params(Params),
    Vars(Vars),
    Enqueue {
        ns: u64,
        len: u32,
        dsfield: Option<u8>,
    },
    Dequeue {
        ns: u64,
    },
    ToUs(Time),
    Defaults,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Restart => write!(f, "r"),
            Event::Params(p) => write!(
                f,
                "p {} {} {} {} {} {} {}",
                p.target.0,
                p.interval.0,
                p.ce_threshold.0,
                p.mtu,
                u8::from(p.ecn),
                p.ce_threshold_mask,
                p.ce_threshold_selector
            ),
            Event::Vars(v) => write!(
                f,
                "v {} {} {} {} {} {} {}",
                v.count,
                v.lastcount,
                u8::from(v.dropping),
                v.rec_inv_sqrt,
                v.first_above_time.0,
                v.drop_next.0,
                v.ldelay.0
            ),
            Event::Enqueue { ns, len, dsfield } => {
                write!(f, "e {ns} {len} {}", dsfield.map_or(-1, i32::from))
            }
            Event::Dequeue { ns } => write!(f, "g {ns}"),
            Event::ToUs(time) => write!(f, "u {}", time.0),
            Event::Defaults => write!(f, "d"),
        }
    }
}

/// What happened in the traces that were compared.
#[derive(Debug, Default)]
pub struct Seen {
    pub packets: u64,
    pub delivered: u64,
    pub drops: u64,
    pub ecn_marks: u64,
    pub ce_marks: u64,
    /// Dequeues that dropped as many packets as they may.
    pub capped: u64,
    /// Entries of the dropping state that went on from an earlier count.
    pub resumed: u64,
}

/// Plays `trace` on both; the error tells of the first answer that differs.
pub fn compare(trace: &[Event], seen: &mut Seen) -> Result<(), String> {
    let theirs = play_theirs(trace);
    let mut theirs = theirs.lines();
    let mut sim = Sim::default();
    let mut ours = String::new();
    for (i, event) in trace.iter().enumerate() {
        ours.clear();
        play_ours(&mut sim, event, &mut ours, seen);
        if ours.is_empty() {
            continue;
        }
        let theirs = theirs.next().unwrap_or("(the end)");
        if ours != theirs {
            return Err(format!(
                "event {i} of {} differs: {event}\n  C:    {theirs}\n  Rust: {ours}\n  {:?}",
                trace.len(),
                sim.params
            ));
        }
    }
    match theirs.next() {
        Some(theirs) => Err(format!("an answer too much: {theirs}")),
        None => Ok(()),
    }
}

fn play_theirs(trace: &[Event]) -> String {
    let mut input = String::new();
    for event in trace {
        writeln!(input, "{event}").expect("a string takes anything");
    }
    let output = answers(option_env!("CODEL_HARNESS"), input.into_bytes());
    String::from_utf8(output).expect("the harness prints ASCII")
}

fn play_ours(sim: &mut Sim, event: &Event, out: &mut String, seen: &mut Seen) {
    match event {
        Event::Restart => {
            let params = sim.params;
            *sim = Sim::default();
            sim.params = params;
        }
        Event::Params(params) => sim.params = *params,
        Event::Vars(vars) => sim.vars = *vars,
        Event::Enqueue { ns, len, dsfield } => {
            seen.packets += 1;
            sim.enqueue(*ns, *len, *dsfield);
        }
        Event::Dequeue { ns } => answer(sim, *ns, out, seen),
        Event::ToUs(time) => write!(out, "us {}", time.to_us()).expect("string"),
        Event::Defaults => {
            let p = Params::default();
            write!(
                out,
                "target {} interval {} ce_threshold {} {} {} ecn {}",
                p.target.0,
                p.interval.0,
                p.ce_threshold.0,
                p.ce_threshold_mask,
                p.ce_threshold_selector,
                u8::from(p.ecn)
            )
            .expect("string");
            sim.params = Params {
                mtu: sim.params.mtu,
                ..p
            };
        }
    }
}

fn answer(sim: &mut Sim, ns: u64, out: &mut String, seen: &mut Seen) {
    let before = (sim.vars.dropping, sim.stats);
    let packet = sim.dequeue(ns);
    let (vars, stats) = (&sim.vars, &mut sim.stats);
    for id in &sim.fifo.dropped {
        write!(out, "x{id} ").expect("string");
    }
    match &packet {
        Some(p) => write!(
            out,
            "packet {} ds {}",
            p.id,
            p.dsfield.map_or(-1, i32::from)
        ),
        None => write!(out, "nothing"),
    }
    .expect("string");
    write!(
        out,
        " count {} {} dropping {} inv {} above {} next {} delay {}",
        vars.count,
        vars.lastcount,
        u8::from(vars.dropping),
        vars.rec_inv_sqrt,
        vars.first_above_time.0,
        vars.drop_next.0,
        vars.ldelay.0
    )
    .expect("string");
    write!(
        out,
        " max {} drops {} {} marks {} {} backlog {} next_us {}",
        stats.maxpacket,
        stats.drop_count,
        stats.drop_len,
        stats.ecn_mark,
        stats.ce_mark,
        sim.fifo.backlog,
        vars.drop_next_us(Time::from_ns(ns))
    )
    .expect("string");

    seen.delivered += u64::from(packet.is_some());
    seen.drops += u64::from(stats.drop_count);
    seen.capped += u64::from(stats.drop_count == MAX_DROPS_PER_DEQUEUE);
    seen.ecn_marks += u64::from(stats.ecn_mark - before.1.ecn_mark);
    seen.ce_marks += u64::from(stats.ce_mark - before.1.ce_mark);
    seen.resumed += u64::from(!before.0 && vars.dropping && vars.count > 1);
    // As a qdisc does, once it has told its parents.
    stats.drop_count = 0;
    stats.drop_len = 0;
}
