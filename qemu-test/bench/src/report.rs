// SPDX-License-Identifier: GPL-2.0

//! Makes reports of the results: a page with plots, and a table for the terminal.

use std::fmt::Write;

use anyhow::Result;

use crate::curves::Curves;
use crate::origin::Origin;
use crate::plot::{bars, Bar, MILLION};
use crate::record::{Record, Skipped};
use crate::source::Measured;
use crate::subject::{find, suite, Language, Means, Subject, Suite, SUBJECTS, SUITES};

const STYLE: &str = "
body { font: 16px/1.5 sans-serif; color: #22262b; max-width: 60em; margin: 2em auto; padding: 0 1em }
h1, h2 { line-height: 1.2 } h2 { margin-top: 2em }
figure { margin: 1.5em 0 } figure svg { display: block; max-width: 100%; height: auto }
figcaption, .origin, .skipped { font-size: 13px; color: #5a626b }
figcaption b { font-size: 16px; color: #22262b }
.drift { border-left: 4px solid #b3261e; padding-left: 1em }
table { border-collapse: collapse; font-size: 14px }
th, td { text-align: left; padding: 0.2em 1em 0.2em 0; border-bottom: 1px solid #dde1e6 }
.wide { overflow-x: auto }
.rust { color: #c75424 } .c { color: #5c7491 } .bpf { color: #8f7315 } .hand { color: #458557 }
.rust, .c, .bpf, .hand { font-weight: bold }
table .number { white-space: nowrap; text-align: right; font-variant-numeric: tabular-nums }
";

/// Returns the page in HTML.
///
/// # Errors
/// Fails when a plot cannot be drawn, or a record has a subject that is not known.
pub fn page(measured: &Measured) -> Result<String> {
    let mut out = String::from("<!DOCTYPE html>\n<!-- SPDX-License-Identifier: GPL-2.0 -->\n");
    write!(
        out,
        "<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Tackle: benchmarks</title>\n\
         <style>{STYLE}</style>\n<h1>What it costs</h1>\n\
         <p>Shorter bars are better. <span class=\"rust\">Orange</span> is Rust, \
         <span class=\"c\">blue</span> is C, <span class=\"bpf\">yellow</span> is BPF. In NUMA \
         placement <span class=\"hand\">green</span> is a person, and grey is nothing.</p>\n"
    )?;
    if !measured.drifts.is_empty() {
        out.push_str("<div class=\"drift\"><p>Drifted from boot to boot:</p><ul>\n");
        for drift in &measured.drifts {
            writeln!(out, "<li>{}</li>", escape(&drift.to_string()))?;
        }
        out.push_str("</ul></div>\n");
    }
    for suite in SUITES {
        section(&mut out, suite, measured)?;
    }
    html_table(&mut out, &measured.records)?;
    out.push_str("</html>\n");
    Ok(out)
}

/// Describes how the figures of a suite are measured.
fn how(means: Means) -> &'static str {
    match means {
        Means::Guest | Means::GuestNodes => {
            "Counted in a guest whose clock counts instructions: one nanosecond is one of them, \
             in every run. Each figure is the least of several rounds in two boots; boots that \
             differ by more than 0.5 % are told. How long an instruction takes is another matter."
        }
        Means::GuestTurns => {
            "Counted in a guest whose clock counts instructions, those of all that the guest does \
             meanwhile. The subjects take turns; each figure is the median of the rounds, each \
             ratio that of the ratios within a round. The thin line reaches over the middle half \
             of the rounds."
        }
        Means::Placement => {
            "Counted in guests whose clock counts the instructions of all CPUs. The policies take \
             turns; each figure is the median of the rounds, and the thin line reaches over the \
             middle half of them. In the curves a thin line is a round and a thick one the median."
        }
        Means::TimeTravel => {
            "Measured under User Mode Linux with a clock that stands still while anything is \
             computed: nothing but the links and the queues delays a packet. Each figure is the \
             median of the rounds, each ratio that of the ratios within a round, in which all \
             are loaded at the same time. The thin line reaches over the middle half of the \
             rounds."
        }
        Means::Simulation => {
            "Simulated on the host, with the same 15 seeds for each subject. Curves are the \
             medians of all seeds in each second, bars those of all the time; the thin line of a \
             bar reaches over the middle half of the seeds."
        }
        Means::Host | Means::Uml => {
            "Measured in real time. The subjects take turns; each figure is the median of the \
             rounds, each ratio that of the ratios within a round. The thin line reaches over the \
             middle half of the rounds, from the lower quartile to the upper one."
        }
    }
}

/// Returns a table for the terminal.
pub fn table(records: &[Record]) -> String {
    let mut rows = vec![[
        "case",
        "subject",
        "value",
        "metric",
        "baseline",
        "ratio to C",
    ]
    .map(str::to_owned)];
    rows.extend(records.iter().map(|record| {
        [
            format!("{} {}", record.key.suite, record.key.case),
            record.key.subject.clone(),
            format!("{:.2}", record.value),
            record.key.metric.clone(),
            baseline(record, records),
            ratio(record),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut out = String::new();
    for row in &rows {
        let [case, subject, value, metric, over, ratio] = row;
        let [a, b, c, d, e, _] = widths;
        let line = format!("{case:a$}  {subject:b$}  {value:>c$}  {metric:d$}  {over:e$}  {ratio}");
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn section(out: &mut String, suite: &Suite, measured: &Measured) -> Result<()> {
    let of_suite = |record: &&Record| record.key.suite == suite.name;
    let records: Vec<_> = measured.records.iter().filter(of_suite).collect();
    // All records of a suite have the same origin.
    let Some(origin) = records.first().map(|record| &record.origin) else {
        return Ok(());
    };
    write!(
        out,
        "<h2>{}</h2>\n<p>{}</p>\n<p>{}</p>\n<p class=\"origin\">{}</p>\n",
        escape(suite.title),
        escape(suite.text),
        escape(how(suite.means)),
        escape(&caption(origin, &origin.commit)),
    )?;
    for (case, title) in suite.cases {
        curves(out, suite, case, title, measured, origin)?;
        for (metric, what) in suite.metrics {
            let of_case =
                |record: &&Record| record.key.case == *case && record.key.metric == *metric;
            // A record is left out if it is only a baseline of other records of the case.
            let is_baseline = |record: &&Record| {
                let name = format!("{case}/{}", record.key.subject);
                record.ratio.is_none() && records.iter().any(|r| r.baseline.as_ref() == Some(&name))
            };
            let of_case: Vec<_> = records
                .iter()
                .copied()
                .filter(of_case)
                .filter(|record| !is_baseline(record))
                .collect();
            if of_case.is_empty() {
                continue;
            }
            let bars = bars(suite.axis, &rows(&of_case, &measured.records))?;
            write!(
                out,
                "<figure>\n<figcaption><b>{}{}</b></figcaption>\n{bars}\n\
                 <figcaption>{}: {}. {}</figcaption>\n</figure>\n",
                escape(title),
                escape(what),
                escape(&format!("{}, {case}, {metric}", suite.name)),
                escape(suite.axis),
                escape(&caption(origin, &origin.short_commit())),
            )?;
        }
        let of_case = |skipped: &&Skipped| skipped.suite == suite.name && skipped.case == *case;
        for skipped in measured.skipped.iter().filter(of_case) {
            let text = format!("Not measured: {skipped}.");
            writeln!(out, "<p class=\"skipped\">{}</p>", escape(&text))?;
        }
    }
    Ok(())
}

/// Adds the curves of a case, if it has some.
fn curves(
    out: &mut String,
    suite: &Suite,
    case: &str,
    title: &str,
    measured: &Measured,
    origin: &Origin,
) -> Result<()> {
    let of_case = |curves: &&Curves| curves.suite == suite.name && curves.case == case;
    for curves in measured.curves.iter().filter(of_case) {
        let plot = curves.draw()?;
        write!(
            out,
            "<figure>\n<figcaption><b>{}</b></figcaption>\n{plot}\n\
             <figcaption>{}, {}. {}</figcaption>\n</figure>\n",
            escape(title),
            escape(suite.name),
            escape(case),
            escape(&caption(origin, &origin.short_commit())),
        )?;
    }
    Ok(())
}

/// Returns the bars of a case, in the order of [`SUBJECTS`]. `all` has the records of all cases.
fn rows(records: &[&Record], all: &[Record]) -> Vec<Bar> {
    let row = |subject: &Subject| {
        let record = records.iter().find(|record| {
            record.key.suite == subject.suite && record.key.subject == subject.name
        })?;
        let rust = subject.language == Language::Rust;
        let value = match percent(record, all) {
            Some(percent) => format!("{}, {percent}", figure(record)),
            None => figure(record),
        };
        let note = match record.ratio.filter(|_| rust) {
            Some(ratio) => format!("{value}  ({ratio:.2} of C)"),
            None => value,
        };
        Some(Bar {
            label: subject.label.to_owned(),
            value: record.value,
            note,
            spread: record.spread,
            language: subject.language,
        })
    };
    SUBJECTS.iter().filter_map(row).collect()
}

/// Formats the value at the end of a bar. Millions have two decimal places, and so have
/// nanoseconds, each of which is many instructions.
fn figure(record: &Record) -> String {
    if record.value >= MILLION {
        format!("{:.2} million", record.value / MILLION)
    } else if record.unit == "ns" {
        format!("{:.2}", record.value)
    } else {
        format!("{:.1}", record.value)
    }
}

fn html_table(out: &mut String, records: &[Record]) -> Result<()> {
    out.push_str(
        "<h2>All figures</h2>\n<div class=\"wide\"><table>\n<tr><th>suite<th>case<th>subject\
         <th>metric<th class=\"number\">value<th>unit<th>baseline\
         <th class=\"number\">ratio to C</tr>\n",
    );
    for record in records {
        let key = &record.key;
        let label = find(&key.suite, &key.subject)?.label;
        writeln!(
            out,
            "<tr><td>{}<td>{}<td title=\"{}\">{}<td>{}<td class=\"number\">{:.2}<td>{}<td>{}\
             <td class=\"number\">{}</tr>",
            escape(&key.suite),
            escape(&key.case),
            escape(label),
            escape(&key.subject),
            escape(&key.metric),
            record.value,
            escape(&record.unit),
            escape(&baseline(record, records)),
            ratio(record),
        )?;
    }
    out.push_str("</table></div>\n");
    Ok(())
}

/// Returns the name of the baseline, and the value as a percentage of it, if the suite shows
/// percentages.
fn baseline(record: &Record, all: &[Record]) -> String {
    let name = record.baseline.clone().unwrap_or_default();
    match percent(record, all) {
        Some(percent) => format!("{name} {percent}"),
        None => name,
    }
}

/// Returns the value as a percentage of its baseline, if the suite shows percentages.
fn percent(record: &Record, all: &[Record]) -> Option<String> {
    let key = &record.key;
    if !suite(&key.suite).ok()?.with_percent {
        return None;
    }
    let (case, subject) = record.baseline.as_ref()?.split_once('/')?;
    let bare = all.iter().find(|other| {
        let other = &other.key;
        other.suite == key.suite
            && other.metric == key.metric
            && other.case == case
            && other.subject == subject
    })?;
    Some(format!("{:+.2} %", record.value / bare.value * 100.0))
}

/// Formats the ratio and its quartiles.
fn ratio(record: &Record) -> String {
    match (record.ratio, record.ratio_spread) {
        (None, _) => String::new(),
        // This is the ratio of an original to itself.
        (Some(ratio), Some([low, high])) if low == high => format!("{ratio:.3}"),
        (Some(ratio), Some([low, high])) => format!("{ratio:.3} ({low:.3} to {high:.3})"),
        (Some(ratio), None) => format!("{ratio:.3}"),
    }
}

fn caption(origin: &Origin, commit: &str) -> String {
    let qemu = origin.qemu.as_ref();
    let qemu = qemu.map(|version| format!("QEMU {version}, accelerator "));
    format!(
        "Commit {commit}, kernel {}, {}{}.",
        origin.kernel,
        qemu.unwrap_or_default(),
        origin.accelerator
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::test_origin;
    use crate::record::{test_record, Drift};

    fn measured() -> Measured {
        let record = |case: &str, subject: &str, value, ratio| Record {
            baseline: (case != "bare").then(|| "bare/noqueue".into()),
            ratio,
            ..test_record(["qdisc", case, subject], value)
        };
        Measured {
            records: vec![
                record("bare", "noqueue", 2709.19, None),
                record("root", "codel", 292.0, Some(1.0)),
                record("root", "rcodel", 274.0, Some(0.938)),
            ],
            ..Measured::default()
        }
    }

    #[test]
    fn the_page_has_plots_with_their_origin() {
        let page = page(&measured()).unwrap();
        // There is one plot for the measured case, and none for other cases and suites.
        assert_eq!(page.matches("<svg").count(), 1);
        assert_eq!(page.matches("Commit 0123456789abcdef").count(), 1);
        assert_eq!(page.matches("Commit 0123456789ab, kernel").count(), 1);
        for text in ["274.0  (0.94 of C)", "over noqueue", "2709.19"] {
            assert!(page.contains(text), "{text} is not on the page");
        }
        for text in ["Drifted", "Not measured", "real time"] {
            assert!(!page.contains(text), "{text} is on the page");
        }
    }

    #[test]
    fn drifts_are_on_the_page() {
        let mut measured = measured();
        let key = measured.records[1].key.clone();
        let values = [100.0, 101.0];
        measured.drifts.push(Drift { key, values });
        let page = page(&measured).unwrap();
        assert!(page.contains("qdisc root codel insn_per_packet: 100.00 and 101.00"));
    }

    #[test]
    fn what_was_skipped_is_on_the_page() {
        let mut measured = measured();
        measured.skipped.push(Skipped {
            suite: "qdisc".into(),
            case: "under-prio".into(),
            subject: "fq_codel".into(),
            reason: "the kernel has none".into(),
        });
        let page = page(&measured).unwrap();
        assert!(page.contains("Not measured: qdisc under-prio fq_codel: the kernel has none."));
    }

    #[test]
    fn the_table_is_aligned() {
        let expected = "\
case        subject    value  metric           baseline      ratio to C
qdisc bare  noqueue  2709.19  insn_per_packet
qdisc root  codel     292.00  insn_per_packet  bare/noqueue  1.000
qdisc root  rcodel    274.00  insn_per_packet  bare/noqueue  0.938
";
        assert_eq!(table(&measured().records), expected);
    }

    #[test]
    fn a_suite_can_show_percentages() {
        let bare = test_record(["numa", "local", "bare"], 3000.0);
        let fault = Record {
            baseline: Some("local/bare".into()),
            ..test_record(["numa", "local", "fault"], 120.0)
        };
        let all = [bare, fault];
        assert_eq!(baseline(&all[0], &all), "");
        assert_eq!(baseline(&all[1], &all), "local/bare +4.00 %");
        assert_eq!(rows(&[&all[1]], &all)[0].note, "120.0, +4.00 %");
        let qdisc = &measured().records[1];
        assert_eq!(baseline(qdisc, &measured().records), "bare/noqueue");
    }

    #[test]
    fn a_ratio_of_real_time_has_its_quartiles() {
        let mut record = measured().records[2].clone();
        record.ratio_spread = Some([0.93, 0.95]);
        assert_eq!(ratio(&record), "0.938 (0.930 to 0.950)");
    }

    #[test]
    fn real_time_has_its_own_origin() {
        let mut origin = test_origin();
        origin.qemu = None;
        origin.accelerator = "host, Fast One".into();
        assert_eq!(
            caption(&origin, "0123"),
            "Commit 0123, kernel 7.3.4, host, Fast One."
        );
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(escape("a<b>&\""), "a&lt;b&gt;&amp;&quot;");
    }
}
