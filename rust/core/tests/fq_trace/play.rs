// SPDX-License-Identifier: GPL-2.0

//! A qdisc with the Rust FQ-CoDel, which answers events as the C one does.

use super::{request, Arrival, Event, Options};
use crate::fq_model::{Packet, Sim, Why};
use std::fmt::Write;
use tackle_core::codel::Time;
use tackle_core::fq_codel::{Enqueued, Params};

/// The words of an answer, with their names.
#[derive(Default)]
pub struct Answer(Vec<(&'static str, u32)>);

impl Answer {
    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn push(&mut self, name: &'static str, word: u32) {
        self.0.push((name, word));
    }

    pub fn is(&self, words: &[u32]) -> bool {
        self.0.len() == words.len() && self.0.iter().zip(words).all(|(a, b)| a.1 == *b)
    }

    /// Shows the words beside those of C, up to some after the first that differs.
    pub fn against(&self, words: &[u32]) -> String {
        let mut text = format!("  words: Rust {}, C {}\n", self.0.len(), words.len());
        let first = (self.0.iter().zip(words)).position(|(a, b)| a.1 != *b);
        let shown = first.unwrap_or(self.0.len()) + 30;
        for (i, (name, word)) in self.0.iter().enumerate().take(shown) {
            let theirs = words.get(i).map_or("none".to_owned(), u32::to_string);
            let note = if words.get(i) == Some(word) {
                ""
            } else {
                " <--"
            };
            writeln!(text, "  {name}: {word}, C {theirs}{note}").expect("string");
        }
        text
    }
}

/// What happened in the traces that were compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub packets: u64,
    pub delivered: u64,
    pub codel_drops: u64,
    pub ecn_marks: u64,
    pub ce_marks: u64,
    /// Enqueues that dropped packets, and those of them of the packet's own flow.
    pub overloads: u64,
    pub congested: u64,
    pub overlimit_drops: u64,
    pub overmemory_drops: u64,
    pub rejected: u64,
    pub discarded: u64,
    pub new_flows: u64,
    /// The most flows that were on the lists of a dump.
    pub most_listed: u64,
}

const NO_PACKET: u32 = u32::MAX;
const BYPASS: u32 = 0x0002_0000;
const STOLEN: u32 = 0x0001_0000;
const CN: u32 = 2;

#[derive(Default)]
pub struct Player {
    sim: Option<Sim>,
    handle: u32,
    has_filter: bool,
}

impl Player {
    /// Adds up what the trace that ends here has counted.
    pub fn finish(&self, seen: &mut Seen) {
        let Some(stats) = self.sim.as_ref().map(|sim| sim.sched.stats()) else {
            return;
        };
        seen.new_flows += u64::from(stats.new_flow_count);
        seen.ecn_marks += u64::from(stats.ecn_mark);
        seen.ce_marks += u64::from(stats.ce_mark);
        seen.overlimit_drops += u64::from(stats.drop_overlimit);
        seen.overmemory_drops += u64::from(stats.drop_overmemory);
    }

    pub fn params(&self) -> Option<Params> {
        self.sim.as_ref().map(|sim| sim.sched.params)
    }

    pub fn play(&mut self, event: &Event, out: &mut Answer, seen: &mut Seen) {
        if let Event::New {
            mtu,
            handle,
            has_filter,
            options,
        } = event
        {
            (self.handle, self.has_filter) = (*handle, *has_filter);
            let params = options.apply(Params::new(*mtu)).expect("good options");
            let flows = options.flows_cnt().expect("a good number of flows");
            let sim = self.sim.insert(Sim::new(flows, params));
            out.push("error", 0);
            request::dump(&params, sim.sched.flows_cnt(), out);
            return;
        }
        let (handle, has_filter) = (self.handle, self.has_filter);
        let sim = self.sim.as_mut().expect("New is the first event");
        match event {
            Event::New { .. } => {}
            Event::Change(options) => change(sim, options, out),
            Event::Enqueue { ns, packet } => {
                sim.host.ns = *ns;
                seen.packets += 1;
                let flow = classify(sim, packet, handle, has_filter);
                let code = enqueue(sim, flow, packet, seen);
                out.push("return code", code);
            }
            Event::Dequeue { ns } => {
                sim.host.ns = *ns;
                let packet = sim.dequeue();
                seen.delivered += u64::from(packet.is_some());
                put_packet(packet.as_ref(), out);
            }
            Event::Peek { ns } => {
                sim.host.ns = *ns;
                put_packet(sim.peek(), out);
            }
            Event::Reset => sim.reset(),
            Event::Classes { ns } => {
                sim.host.ns = *ns;
                classes(sim, out, seen);
                return;
            }
        }
        what_happened(sim, out, seen);
    }
}

/// What `fq_codel_classify()` does with what the core tells; the error is a return code.
fn classify(sim: &Sim, packet: &Arrival, handle: u32, has_filter: bool) -> Result<u32, u32> {
    if let Some(flow) = sim.sched.flow_of_priority(packet.priority, handle) {
        return Ok(flow);
    }
    if !has_filter {
        return Ok(sim.sched.flow_of_hash(packet.hash));
    }
    match packet.verdict {
        ..0 | 2 => Err(BYPASS),
        4 | 5 | 8 => Err(STOLEN),
        _ => sim.sched.flow_of_class(packet.classid).ok_or(BYPASS),
    }
}

fn enqueue(sim: &mut Sim, flow: Result<u32, u32>, packet: &Arrival, seen: &mut Seen) -> u32 {
    let packet = sim.arrive(Packet {
        len: packet.len,
        truesize: packet.truesize,
        wmem: packet.wmem,
        dsfield: packet.dsfield,
        ..Packet::default()
    });
    let flow = match flow {
        Ok(flow) => flow,
        Err(code) => {
            seen.rejected += 1;
            sim.host.gone.push((packet.id, Why::NoFlow));
            sim.host.drops += u32::from(code == BYPASS);
            return code;
        }
    };
    match sim.enqueue(flow, packet) {
        Enqueued::Queued => 0,
        Enqueued::Dropped(_) => {
            seen.overloads += 1;
            0
        }
        Enqueued::Congested(_) => {
            seen.overloads += 1;
            seen.congested += 1;
            CN
        }
    }
}

fn change(sim: &mut Sim, options: &Options, out: &mut Answer) {
    let params = match options.flows {
        None => options.apply(sim.sched.params),
        Some(_) => Err(request::EINVAL),
    };
    match params {
        Ok(params) => {
            sim.change(params);
            out.push("error", 0);
        }
        Err(error) => out.push("error", error),
    }
    request::dump(&sim.sched.params, sim.sched.flows_cnt(), out);
}

fn put_packet(packet: Option<&Packet>, out: &mut Answer) {
    let no_ip = u32::MAX;
    out.push("packet", packet.map_or(NO_PACKET, |p| p.id));
    out.push(
        "DS field",
        packet.map_or(0, |p| p.dsfield.map_or(no_ip, u32::from)),
    );
}

fn what_happened(sim: &mut Sim, out: &mut Answer, seen: &mut Seen) {
    let gone = &mut sim.host.gone;
    out.push("packets gone", gone.len() as u32);
    for (id, why) in gone.drain(..) {
        seen.codel_drops += u64::from(why == Why::Congested);
        seen.discarded += u64::from(why == Why::Discarded);
        out.push("gone (and why)", (id << 2) | why as u32);
    }
    let parent = std::mem::take(&mut sim.parent);
    out.push("parent called", parent.called.into());
    out.push("parent's packets", parent.sum.packets as u32);
    out.push("parent's bytes", parent.sum.len as u32);
    out.push("parent's drops", parent.drops);
    out.push("parent saw it empty", parent.emptied.into());
    out.push("qlen", sim.host.qlen);
    out.push("backlog", sim.host.backlog);
    let stats = sim.sched.stats();
    // C does not count what a change or a reset drops.
    let more = stats.drop_change + stats.drop_reset;
    out.push("drops", sim.host.drops - more);
    out.push("sent", sim.host.taken);
    out.push("sent bytes", sim.host.taken_len);
    out.push("maxpacket", stats.maxpacket);
    out.push("drop_overlimit", stats.drop_overlimit);
    out.push("ecn_mark", stats.ecn_mark);
    out.push("new_flow_count", stats.new_flow_count);
    out.push("ce_mark", stats.ce_mark);
    out.push("memory_usage", stats.memory_usage);
    out.push("drop_overmemory", stats.drop_overmemory);
    let first = |flow: Option<u32>| flow.unwrap_or(NO_PACKET);
    out.push("first new flow", first(sim.sched.new_flows().next()));
    out.push("first old flow", first(sim.sched.old_flows().next()));
}

fn classes(sim: &Sim, out: &mut Answer, seen: &mut Seen) {
    let now = Time::from_ns(sim.host.ns);
    let sched = &sim.sched;
    let stats = sched.stats();
    let lists: [Vec<u32>; 2] = [sched.new_flows().collect(), sched.old_flows().collect()];
    out.push("type", 0);
    out.push("maxpacket", stats.maxpacket);
    out.push("drop_overlimit", stats.drop_overlimit);
    out.push("ecn_mark", stats.ecn_mark);
    out.push("new_flow_count", stats.new_flow_count);
    out.push("new_flows_len", lists[0].len() as u32);
    out.push("old_flows_len", lists[1].len() as u32);
    out.push("ce_mark", stats.ce_mark);
    out.push("memory_usage", stats.memory_usage);
    out.push("drop_overmemory", stats.drop_overmemory);
    let listed = lists[0].len() + lists[1].len();
    seen.most_listed = seen.most_listed.max(listed as u64);

    let flows = 0..sched.flows_cnt();
    for flow in flows.clone() {
        let queue = sched.flow(flow).expect("there is such a flow");
        let class = sched.class_stats(flow, now).expect("there is such a flow");
        out.push("class qlen", queue.packets.len() as u32);
        out.push("class backlog", sched.backlog(flow).expect("as above"));
        out.push("type", 1);
        out.push("deficit", class.deficit as u32);
        out.push("ldelay", class.ldelay);
        out.push("count", class.count);
        out.push("lastcount", class.lastcount);
        out.push("dropping", class.dropping.into());
        out.push("drop_next", class.drop_next as u32);
        // C has room for the other kind of statistics.
        for _ in 0..3 {
            out.push("nothing", 0);
        }
    }
    let is_listed = |flow: &u32| sched.flow(*flow).is_some_and(|f| f.is_listed());
    for flow in flows.filter(is_listed) {
        out.push("class in use", flow + 1);
    }
    for list in lists {
        list.into_iter().for_each(|flow| out.push("in turn", flow));
        out.push("end of list", NO_PACKET);
    }
}
