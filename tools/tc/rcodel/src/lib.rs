// SPDX-License-Identifier: GPL-2.0

//! Implements `q_rcodel.so`, a plug-in of `tc` that parses and prints the options of the qdisc
//! `rcodel` in the same way as those of `codel`.
//!
//! With `tc -d` it also prints the statistics that `codel` does not have.
//!
//! C headers: `include/uapi/linux/pkt_sched.h`, `TCA_CODEL_*` and `struct tc_codel_xstats`.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
mod tests;

use tackle_core::codel::xstats::CodelXstats;
use tackle_core::codel::MAX_US;
use tackle_tc::codel::{print_histogram, put_histogram, Details};
use tackle_tc::{Attributes, Error, Options, Printer, Qdisc, SignedTime, Time, TimeOption, Words};

const TARGET: u16 = 1;
const LIMIT: u16 = 2;
const INTERVAL: u16 = 3;
const ECN: u16 = 4;
const CE_THRESHOLD: u16 = 5;

struct Rcodel;

impl Qdisc for Rcodel {
    const USAGE: &'static [&'static str] = &[
        "[ limit PACKETS ] [ target TIME ]",
        "[ interval TIME ] [ ecn | noecn ]",
        "[ ce_threshold TIME ] [ [no]histogram ]",
    ];

    fn parse(words: &mut Words<'_>, options: &mut Options) -> Result<(), Error> {
        let [mut limit, mut interval, mut target] = [0; 3];
        let (mut ecn, mut histogram) = (None, None);
        let mut ce_threshold = u32::MAX;
        while let Some(word) = words.next() {
            match word {
                "limit" => limit = words.number()?,
                "target" => target = words.time(MAX_US)?,
                "ce_threshold" => ce_threshold = words.time(MAX_US)?,
                "interval" => interval = words.time(MAX_US)?,
                "ecn" => ecn = Some(1),
                "noecn" => ecn = Some(0),
                "histogram" => histogram = Some(true),
                "nohistogram" => histogram = Some(false),
                "help" => return Err(Error::Help),
                other => return Err(Error::unknown(other)),
            }
        }
        // As with `codel`, 0 and the largest threshold are not sent. Then the kernel keeps the
        // present value, or uses its default.
        let given = |value: u32| (value != 0).then_some(value);
        let fields = [
            (LIMIT, given(limit)),
            (INTERVAL, given(interval)),
            (TARGET, given(target)),
            (ECN, ecn),
            (
                CE_THRESHOLD,
                Some(ce_threshold).filter(|us| *us != u32::MAX),
            ),
        ];
        for (kind, value) in fields {
            if let Some(value) = value {
                options.put_u32(kind, value);
            }
        }
        put_histogram(options, histogram);
        Ok(())
    }

    fn print(options: &Attributes<'_>, out: &mut Printer) {
        if let Some(limit) = options.u32(LIMIT) {
            out.uint(c"limit", limit, format_args!("limit {limit}p "));
        }
        for (kind, key) in [
            (TARGET, c"target"),
            (CE_THRESHOLD, c"ce_threshold"),
            (INTERVAL, c"interval"),
        ] {
            if let Some(us) = options.u32(kind) {
                let name = key.to_string_lossy();
                out.uint(key, us, format_args!("{name} {} ", TimeOption(us)));
            }
        }
        if options.u32(ECN).is_some_and(|ecn| ecn != 0) {
            out.bool(c"ecn", true, "ecn ");
        }
        print_histogram(options, out);
    }

    fn print_xstats(xstats: &[u8], out: &mut Printer) {
        let stats = CodelXstats::read(xstats);
        let CodelXstats {
            maxpacket,
            count,
            lastcount,
            ldelay,
            drop_next,
            drop_overlimit,
            ecn_mark,
            dropping,
            ce_mark,
            details,
        } = stats;
        out.uint(c"count", count, format_args!("  count {count}"));
        out.uint(
            c"lastcount",
            lastcount,
            format_args!(" lastcount {lastcount}"),
        );
        out.uint(c"ldelay", ldelay, format_args!(" ldelay {}", Time(ldelay)));
        if dropping {
            out.bool(c"dropping", true, " dropping");
        }
        out.int(
            c"drop_next",
            drop_next,
            format_args!(" drop_next {}", SignedTime(drop_next)),
        );
        out.newline();
        out.uint(
            c"maxpacket",
            maxpacket,
            format_args!("  maxpacket {maxpacket}"),
        );
        out.uint(c"ecn_mark", ecn_mark, format_args!(" ecn_mark {ecn_mark}"));
        out.uint(
            c"drop_overlimit",
            drop_overlimit,
            format_args!(" drop_overlimit {drop_overlimit}"),
        );
        if ce_mark != 0 {
            out.uint(c"ce_mark", ce_mark, format_args!(" ce_mark {ce_mark}"));
        }
        let details = Details {
            attributes: details,
            state: &[],
            drops: &stats.drops(),
            marks: &stats.marks(),
        };
        details.print(out);
    }
}

tackle_tc::plugin!("rcodel", Rcodel);
