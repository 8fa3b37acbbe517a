// SPDX-License-Identifier: GPL-2.0

//! Implements `q_rfq_codel.so`, a plug-in of `tc` that parses and prints the options of the qdisc
//! `rfq_codel` in the same way as those of `fq_codel`.
//!
//! With `tc -d` it also prints the statistics that `fq_codel` does not have.
//!
//! C headers: `include/uapi/linux/pkt_sched.h`, `TCA_FQ_CODEL_*` and
//! `struct tc_fq_codel_xstats`.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
mod tests;

use std::ffi::CStr;

use tackle_core::codel::xstats::{FlowXstats, FqCodelXstats, QueueXstats};
use tackle_core::codel::MAX_US;
use tackle_tc::codel::{print_histogram, print_number as number, put_histogram, Details};
use tackle_tc::{
    Attributes, Error, Hex, Options, Printer, Qdisc, SignedTime, SizeOption, Time, TimeOption,
    Words,
};

const TARGET: u16 = 1;
const LIMIT: u16 = 2;
const INTERVAL: u16 = 3;
const ECN: u16 = 4;
const FLOWS: u16 = 5;
const QUANTUM: u16 = 6;
const CE_THRESHOLD: u16 = 7;
const DROP_BATCH_SIZE: u16 = 8;
const MEMORY_LIMIT: u16 = 9;
const CE_THRESHOLD_SELECTOR: u16 = 10;
const CE_THRESHOLD_MASK: u16 = 11;

struct RfqCodel;

impl Qdisc for RfqCodel {
    const USAGE: &'static [&'static str] = &[
        "[ limit PACKETS ] [ flows NUMBER ]",
        "[ memory_limit BYTES ]",
        "[ target TIME ] [ interval TIME ]",
        "[ quantum BYTES ] [ [no]ecn ]",
        "[ ce_threshold TIME ]",
        "[ ce_threshold_selector VALUE/MASK ]",
        "[ drop_batch SIZE ] [ [no]histogram ]",
    ];

    fn parse(words: &mut Words<'_>, options: &mut Options) -> Result<(), Error> {
        let [mut limit, mut flows, mut quantum, mut interval, mut target, mut drop_batch] = [0; 6];
        let [mut ce_threshold, mut memory_limit] = [u32::MAX; 2];
        let (mut ecn, mut selector, mut histogram) = (None, None, None);
        while let Some(word) = words.next() {
            match word {
                "limit" => limit = words.number()?,
                "flows" => flows = words.number()?,
                "quantum" => quantum = words.number()?,
                "target" => target = words.time(MAX_US)?,
                "ce_threshold" => ce_threshold = words.time(MAX_US)?,
                "ce_threshold_selector" => selector = Some(words.masked()?),
                "memory_limit" => memory_limit = words.size()?,
                "interval" => interval = words.time(MAX_US)?,
                "drop_batch" => drop_batch = words.number()?,
                "ecn" => ecn = Some(1),
                "noecn" => ecn = Some(0),
                "histogram" => histogram = Some(true),
                "nohistogram" => histogram = Some(false),
                "help" => return Err(Error::Help),
                other => return Err(Error::unknown(other)),
            }
        }
        // As with `fq_codel`, 0 and the largest threshold and memory limit are not sent. Then the
        // kernel keeps the present value, or uses its default.
        let given = |value: u32| (value != 0).then_some(value);
        let below_max = |value: u32| (value != u32::MAX).then_some(value);
        let mut put = |kind, value: Option<u32>| {
            if let Some(value) = value {
                options.put_u32(kind, value);
            }
        };
        put(LIMIT, given(limit));
        put(FLOWS, given(flows));
        put(QUANTUM, given(quantum));
        put(INTERVAL, given(interval));
        put(TARGET, given(target));
        put(ECN, ecn);
        put(CE_THRESHOLD, below_max(ce_threshold));
        put(MEMORY_LIMIT, below_max(memory_limit));
        put(DROP_BATCH_SIZE, given(drop_batch));
        if let Some((value, mask)) = selector {
            options.put_u8(CE_THRESHOLD_MASK, mask);
            options.put_u8(CE_THRESHOLD_SELECTOR, value);
        }
        put_histogram(options, histogram);
        Ok(())
    }

    fn print(options: &Attributes<'_>, out: &mut Printer) {
        let time = |out: &mut Printer, kind, key: &CStr| {
            if let Some(us) = options.u32(kind) {
                let name = key.to_string_lossy();
                out.uint(key, us, format_args!("{name} {} ", TimeOption(us)));
            }
        };
        if let Some(limit) = options.u32(LIMIT) {
            out.uint(c"limit", limit, format_args!("limit {limit}p "));
        }
        if let Some(flows) = options.u32(FLOWS) {
            out.uint(c"flows", flows, format_args!("flows {flows} "));
        }
        if let Some(quantum) = options.u32(QUANTUM) {
            out.uint(c"quantum", quantum, format_args!("quantum {quantum} "));
        }
        time(out, TARGET, c"target");
        time(out, CE_THRESHOLD, c"ce_threshold");
        let [value, mask] = [CE_THRESHOLD_SELECTOR, CE_THRESHOLD_MASK]
            .map(|kind| options.u8(kind).unwrap_or_default().into());
        if value != 0 || mask != 0 {
            let text = format!("ce_threshold_selector {}", Hex(value));
            out.uint(c"ce_threshold_selector", value, text);
            out.uint(c"ce_threshold_mask", mask, format_args!("/{} ", Hex(mask)));
        }
        time(out, INTERVAL, c"interval");
        if let Some(bytes) = options.u32(MEMORY_LIMIT) {
            let text = format!("memory_limit {} ", SizeOption(bytes));
            out.uint(c"memory_limit", bytes, text);
        }
        if options.u32(ECN).is_some_and(|ecn| ecn != 0) {
            out.bool(c"ecn", true, "ecn ");
        }
        if let Some(drop_batch @ 1..) = options.u32(DROP_BATCH_SIZE) {
            out.uint(
                c"drop_batch",
                drop_batch,
                format_args!("drop_batch {drop_batch} "),
            );
        }
        print_histogram(options, out);
    }

    fn print_xstats(xstats: &[u8], out: &mut Printer) {
        match FqCodelXstats::read(xstats) {
            Some(FqCodelXstats::Queue(queue)) => print_queue(&queue, out),
            Some(FqCodelXstats::Flow(flow)) => print_flow(&flow, out),
            None => (),
        }
    }
}

fn print_queue(queue: &QueueXstats<'_>, out: &mut Printer) {
    number(out, "  ", c"maxpacket", queue.maxpacket);
    number(out, " ", c"drop_overlimit", queue.drop_overlimit);
    number(out, " ", c"new_flow_count", queue.new_flow_count);
    number(out, " ", c"ecn_mark", queue.ecn_mark);
    for (key, value) in [
        (c"ce_mark", queue.ce_mark),
        (c"memory_used", queue.memory_usage),
        (c"drop_overmemory", queue.drop_overmemory),
    ] {
        if value != 0 {
            number(out, " ", key, value);
        }
    }
    out.newline();
    number(out, "  ", c"new_flows_len", queue.new_flows_len);
    number(out, " ", c"old_flows_len", queue.old_flows_len);
    let details = Details {
        attributes: queue.details,
        state: &queue.flows(),
        drops: &queue.drops(),
        marks: &queue.marks(),
    };
    details.print(out);
}

fn print_flow(flow: &FlowXstats<'_>, out: &mut Printer) {
    let (deficit, ldelay, drop_next) = (flow.deficit, flow.ldelay, flow.drop_next);
    out.int(c"deficit", deficit, format_args!("  deficit {deficit}"));
    number(out, " ", c"count", flow.count);
    number(out, " ", c"lastcount", flow.lastcount);
    out.uint(c"ldelay", ldelay, format_args!(" ldelay {}", Time(ldelay)));
    if flow.dropping {
        out.bool(c"dropping", true, " dropping");
        out.int(
            c"drop_next",
            drop_next,
            format_args!(" drop_next {}", SignedTime(drop_next)),
        );
    }
    let details = Details {
        attributes: flow.details,
        state: &[],
        drops: &[],
        marks: &[],
    };
    details.print(out);
}

tackle_tc::plugin!("rfq_codel", RfqCodel);
