// SPDX-License-Identifier: GPL-2.0

//! The results for people: a page with plots, and a table for the terminal.

use std::fmt::Write;

use anyhow::Result;

use crate::origin::Origin;
use crate::plot::{bars, Bar};
use crate::record::{Drift, Record};
use crate::subject::{find, Subject, Suite, SUBJECTS, SUITES};

const STYLE: &str = "
body { font: 16px/1.5 sans-serif; color: #22262b; max-width: 60em; margin: 2em auto; padding: 0 1em }
h1, h2 { line-height: 1.2 } h2 { margin-top: 2em }
figure { margin: 1.5em 0 } figure svg { display: block; max-width: 100%; height: auto }
figcaption, .origin { font-size: 13px; color: #5a626b }
figcaption b { font-size: 16px; color: #22262b }
.drift { border-left: 4px solid #b3261e; padding-left: 1em }
table { border-collapse: collapse; font-size: 14px }
th, td { text-align: left; padding: 0.2em 1em 0.2em 0; border-bottom: 1px solid #dde1e6 }
td.number { text-align: right; font-variant-numeric: tabular-nums }
";

/// The page.
///
/// # Errors
/// When a plot cannot be drawn.
pub fn page(records: &[Record], drifts: &[Drift], origin: &Origin) -> Result<String> {
    let mut out = String::from("<!DOCTYPE html>\n<!-- SPDX-License-Identifier: GPL-2.0 -->\n");
    write!(
        out,
        "<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Tackle: benchmarks</title>\n\
         <style>{STYLE}</style>\n<h1>What it costs</h1>\n\
         <p>In a guest whose clock counts instructions: one nanosecond is one of them, in \
         every run. Each figure is the least of several rounds in two boots; boots that \
         differ by more than 0.5 % are told. How long an instruction takes is another \
         matter. Orange is Rust, blue is C.</p>\n<p class=\"origin\">{}</p>\n",
        escape(&caption(origin, &origin.commit))
    )?;
    if !drifts.is_empty() {
        out.push_str("<div class=\"drift\"><p>Drifted from boot to boot:</p><ul>\n");
        for drift in drifts {
            writeln!(out, "<li>{}</li>", escape(&drift.to_string()))?;
        }
        out.push_str("</ul></div>\n");
    }
    for suite in SUITES {
        section(&mut out, suite, records, origin)?;
    }
    html_table(&mut out, records)?;
    out.push_str("</html>\n");
    Ok(out)
}

/// A table for the terminal.
pub fn table(records: &[Record]) -> String {
    let mut rows = vec![["case", "subject", "value", "over", "ratio to C"].map(str::to_owned)];
    rows.extend(records.iter().map(|record| {
        [
            format!("{} {}", record.key.suite, record.key.case),
            record.key.subject.clone(),
            format!("{:.2}", record.value),
            record.baseline.clone().unwrap_or_default(),
            ratio(record),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut out = String::new();
    for row in &rows {
        let [case, subject, value, over, ratio] = row;
        let [a, b, c, d, _] = widths;
        let line = format!("{case:a$}  {subject:b$}  {value:>c$}  {over:d$}  {ratio}");
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn section(out: &mut String, suite: &Suite, records: &[Record], origin: &Origin) -> Result<()> {
    if records.iter().all(|record| record.key.suite != suite.name) {
        return Ok(());
    }
    write!(
        out,
        "<h2>{}</h2>\n<p>{}</p>\n",
        escape(suite.title),
        escape(suite.text)
    )?;
    for (case, title) in suite.cases {
        let rows: Vec<_> = rows(suite, case, records).collect();
        let bars = bars(suite.axis, &rows)?;
        write!(
            out,
            "<figure>\n<figcaption><b>{}</b></figcaption>\n{bars}\n\
             <figcaption>{}: {}. {}</figcaption>\n</figure>\n",
            escape(title),
            escape(&format!("{}, {case}", suite.name)),
            escape(suite.axis),
            escape(&caption(origin, &origin.short_commit())),
        )?;
    }
    Ok(())
}

/// The bars of a case, in the order of [`SUBJECTS`].
fn rows<'a>(
    suite: &'a Suite,
    case: &'a str,
    records: &'a [Record],
) -> impl Iterator<Item = Bar> + 'a {
    let subjects = SUBJECTS
        .iter()
        .filter(|subject| subject.suite == suite.name);
    subjects.filter_map(move |subject| {
        let mut of_case = records
            .iter()
            .filter(|record| record.key.suite == suite.name && record.key.case == case);
        let record = of_case.find(|record| record.key.subject == subject.name)?;
        let rust = is_rust(subject);
        let note = match record.ratio.filter(|_| rust) {
            Some(ratio) => format!("{:.1}  ({ratio:.2} of C)", record.value),
            None => format!("{:.1}", record.value),
        };
        Some(Bar {
            label: subject.label.to_owned(),
            value: record.value,
            note,
            rust,
        })
    })
}

/// An original is its own original; ours has another one.
fn is_rust(subject: &Subject) -> bool {
    subject
        .original
        .is_some_and(|original| original != subject.name)
}

fn html_table(out: &mut String, records: &[Record]) -> Result<()> {
    out.push_str(
        "<h2>All figures</h2>\n<table>\n<tr><th>suite<th>case<th>subject<th>metric<th>value\
         <th>unit<th>over<th>ratio to C</tr>\n",
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
            escape(record.baseline.as_deref().unwrap_or("")),
            ratio(record),
        )?;
    }
    out.push_str("</table>\n");
    Ok(())
}

fn ratio(record: &Record) -> String {
    record
        .ratio
        .map(|ratio| format!("{ratio:.3}"))
        .unwrap_or_default()
}

fn caption(origin: &Origin, commit: &str) -> String {
    let Origin {
        kernel,
        qemu,
        accelerator,
        ..
    } = origin;
    format!("Commit {commit}, kernel {kernel}, QEMU {qemu}, accelerator {accelerator}.")
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
    use crate::record::Key;

    fn records() -> Vec<Record> {
        let record = |case: &str, subject: &str, value, ratio| Record {
            key: Key {
                suite: "qdisc".into(),
                case: case.into(),
                subject: subject.into(),
                metric: "insn_per_packet".into(),
            },
            value,
            unit: "instructions".into(),
            baseline: (case != "bare").then(|| "bare/noqueue".into()),
            ratio,
            origin: test_origin(),
        };
        vec![
            record("bare", "noqueue", 2709.19, None),
            record("root", "codel", 292.0, Some(1.0)),
            record("root", "rcodel", 274.0, Some(0.938)),
        ]
    }

    #[test]
    fn the_page_has_plots_with_their_origin() {
        let page = page(&records(), &[], &test_origin()).unwrap();
        // One for each case of the suite that ran, none for the other.
        assert_eq!(page.matches("<svg").count(), 2);
        assert_eq!(page.matches("Commit 0123456789abcdef").count(), 1);
        assert_eq!(page.matches("Commit 0123456789ab, kernel").count(), 2);
        for text in ["274.0  (0.94 of C)", "over noqueue", "2709.19"] {
            assert!(page.contains(text), "{text} is not on the page");
        }
        assert!(!page.contains("Drifted"));
    }

    #[test]
    fn drifts_are_on_the_page() {
        let key = records()[1].key.clone();
        let values = [100.0, 101.0];
        let page = page(&records(), &[Drift { key, values }], &test_origin()).unwrap();
        assert!(page.contains("qdisc root codel insn_per_packet: 100.00 and 101.00"));
    }

    #[test]
    fn the_table_is_aligned() {
        let expected = "\
case        subject    value  over          ratio to C
qdisc bare  noqueue  2709.19
qdisc root  codel     292.00  bare/noqueue  1.000
qdisc root  rcodel    274.00  bare/noqueue  0.938
";
        assert_eq!(table(&records()), expected);
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(escape("a<b>&\""), "a&lt;b&gt;&amp;&quot;");
    }
}
