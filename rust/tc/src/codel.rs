// SPDX-License-Identifier: GPL-2.0

//! Prints what `rcodel` and `rfq_codel` add to the statistics of `codel` and `fq_codel`, if
//! the user asks for details (`-d`).
//!
//! [`tackle_core::codel::xstats`] reads the statistics.

use std::ffi::CStr;

use tackle_core::codel::{attr, buckets, xstats::Count};

use crate::{Attributes, Options, Printer, SignedTime, Time};

/// Adds the option `histogram` or `nohistogram`, if one was given.
pub fn put_histogram(options: &mut Options, histogram: Option<bool>) {
    if let Some(on) = histogram {
        options.put_u8(attr::HISTOGRAM, on.into());
    }
}

/// Prints the option `histogram`, if it is on.
pub fn print_histogram(options: &Attributes<'_>, out: &mut Printer) {
    if options.u8(attr::HISTOGRAM) == Some(1) {
        out.bool(c"histogram", true, "histogram ");
    }
}

/// Prints a number after a key, both in JSON and in text, after `space`.
pub fn print_number(out: &mut Printer, space: &str, key: &CStr, value: u32) {
    let name = key.to_string_lossy();
    out.uint(key, value, format_args!("{space}{name} {value}"));
}

/// The details of a queue.
pub struct Details<'a> {
    /// The attributes behind the statistics of the anchor.
    pub attributes: Attributes<'a>,
    /// What the control law is about.
    pub state: &'a [Count],
    /// Why packets were dropped.
    pub drops: &'a [Count],
    /// Why packets were marked.
    pub marks: &'a [Count],
}

impl Details<'_> {
    /// Prints them, if the user asks for details and the kernel has sent some.
    pub fn print(&self, out: &mut Printer) {
        if !out.wants_details() || self.attributes.is_empty() {
            return;
        }
        out.object(Some(c"details"), |out| {
            let first_above = self.attributes.u32(attr::FIRST_ABOVE);
            if first_above.is_some() || !self.state.is_empty() {
                out.newline();
                out.note(" ");
            }
            if let Some(time) = first_above {
                let time = time as i32;
                let text = format!(" first_above {}", SignedTime(time));
                out.int(c"first_above", time, text);
            }
            for (key, value) in self.state {
                print_number(out, " ", key, *value);
            }
            reasons(out, c"drops", self.drops);
            reasons(out, c"marks", self.marks);
            if let Some(words) = self.attributes.u64s(attr::SOJOURN) {
                sojourn(out, words);
            }
        });
    }
}

fn reasons(out: &mut Printer, key: &CStr, counts: &[Count]) {
    if counts.is_empty() {
        return;
    }
    out.newline();
    out.note(format_args!("  {}:", key.to_string_lossy()));
    out.object(Some(key), |out| {
        for (key, value) in counts {
            print_number(out, " ", key, *value);
        }
    });
}

/// Prints the histogram, a line for each bucket that has packets.
fn sojourn(out: &mut Printer, words: impl Iterator<Item = u64>) {
    let buckets: Vec<_> = buckets(words).collect();
    let all = buckets.iter().map(|bucket| bucket.count);
    let packets: u64 = all.fold(0, u64::saturating_add);
    out.newline();
    out.note(format_args!("  sojourn: {packets} packets"));
    out.array(c"sojourn", |out| {
        for bucket in buckets {
            out.object(None, |out| {
                out.newline();
                out.uint(c"low", bucket.low, format_args!("   {}", Time(bucket.low)));
                out.uint(
                    c"high",
                    bucket.high,
                    format_args!(" - {}", Time(bucket.high)),
                );
                out.u64(c"count", bucket.count, format_args!(": {}", bucket.count));
            });
        }
    });
}
