// SPDX-License-Identifier: GPL-2.0

//! Formats the report of a campaign as one page of HTML, without scripts or references to files.

use std::fmt::Write;

use super::names::readable;
use super::report::{Case, Coverage, Report};

const STYLE: &str = "body{font:15px/1.45 sans-serif;color:#22262b;max-width:72em;margin:2em auto;\
    padding:0 1em}h1{font-size:1.4em}h2{font-size:1.15em;margin-top:2em}table{border-collapse:\
    collapse}td,th{padding:.25em .9em;border-bottom:1px solid #dde1e6;text-align:right}td:first-child,\
    th:first-child{text-align:left}pre{background:#f4f5f7;padding:.7em;overflow-x:auto;font-size:13px}\
    .case{border-left:4px solid #c75424;padding:.1em 1em;margin:1.2em 0}.case.soft{border-color:#c19d2b}\
    .bar{display:flex;height:14px;width:30em;background:#dde1e6}.bar i{display:block;height:100%}\
    .failed{background:#3a7d5c}.reached{background:#c19d2b}.none{color:#3a7d5c}small{color:#666}";

/// Escapes text for HTML, and demangles the Rust names in it.
fn escape(text: &str) -> String {
    readable(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Returns the page.
pub fn page(report: &Report) -> String {
    let mut page = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut page, report);
    page
}

fn write(page: &mut String, report: &Report) -> std::fmt::Result {
    write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{name}: faults</title>\
         <style>{STYLE}</style></head>\n<body><h1>{}</h1>\n\
         <p>All findings were seen while faults were injected on purpose. Workload {name}, modules {}, \
         Linux {}{}.</p>\n",
        escape(report.title()),
        escape(&report.modules.join(", ")),
        escape(&report.kernel),
        if report.finished { "" } else { " (not finished)" },
        name = escape(&report.workload),
    )?;
    if !report.has_stacks {
        page.push_str(
            "<p>Leaks of slab objects were not looked for: boot with slab_debug=U.</p>\n",
        );
    }
    rows(page, report)?;
    report
        .coverage
        .iter()
        .try_for_each(|coverage| bar(page, coverage))?;
    writeln!(page, "<h2>Findings</h2>")?;
    if report.findings.is_empty() {
        page.push_str("<p class=\"none\">None.</p>\n");
    }
    report
        .findings
        .iter()
        .try_for_each(|found| case(page, found, ""))?;
    if !report.unsteady.is_empty() {
        writeln!(page, "<h2>Seen, but not in each of three injections</h2>")?;
        report
            .unsteady
            .iter()
            .try_for_each(|found| case(page, found, " soft"))?;
    }
    if !report.unexplained.is_empty() {
        writeln!(
            page,
            "<h2>Seen after faults in a row, and after none of them alone</h2>"
        )?;
        for one in &report.unexplained {
            let lines = escape(&one.lines().join("\n"));
            writeln!(page, "<div class=\"case soft\"><pre>{lines}</pre></div>")?;
        }
    }
    if !report.marked.is_empty() {
        let lines = escape(&report.marked.join("\n"));
        writeln!(
            page,
            "<h2>Points that are not steady</h2><pre>{lines}</pre>"
        )?;
    }
    writeln!(page, "<p>{}</p></body></html>", escape(&report.sum()))
}

fn rows(page: &mut String, report: &Report) -> std::fmt::Result {
    page.push_str(
        "<h2>Operations</h2><table><tr><th>operation<th>points<th>failed<th>appeared<th>recur\
         <th>errors<th>continued<th>findings</tr>\n",
    );
    for row in &report.operations {
        writeln!(
            page,
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{:.0} %<td>{}<td>{}<td>{}</tr>",
            escape(&row.operation),
            row.points,
            row.injected,
            row.appeared,
            row.recurring,
            row.errors,
            row.continued,
            row.findings
        )?;
    }
    page.push_str("</table>\n");
    Ok(())
}

fn bar(page: &mut String, coverage: &Coverage) -> std::fmt::Result {
    let module = escape(&coverage.module);
    if let Some(reason) = &coverage.unknown {
        return writeln!(
            page,
            "<h2>Calls in {module}</h2><p>Not known: {}</p>",
            escape(reason)
        );
    }
    if coverage.calls == 0 {
        return writeln!(
            page,
            "<h2>Calls in {module}</h2><p>It calls none of the failing functions itself.</p>"
        );
    }
    let share = |sites: &[String]| 100 * sites.len() / coverage.calls;
    writeln!(
        page,
        "<h2>Calls in {module}</h2><div class=\"bar\"><i class=\"failed\" style=\"width:{}%\"></i>\
         <i class=\"reached\" style=\"width:{}%\"></i></div>\
         <p>{} calls of failing functions: {} failed, {} reached, {} never reached.</p>",
        share(&coverage.failed),
        share(&coverage.reached),
        coverage.calls,
        coverage.failed.len(),
        coverage.reached.len(),
        coverage.never.len()
    )?;
    if !coverage.never.is_empty() {
        let lines = escape(&coverage.never.join("\n"));
        writeln!(
            page,
            "<details><summary>never reached</summary><pre>{lines}</pre></details>"
        )?;
    }
    Ok(())
}

fn case(page: &mut String, case: &Case, class: &str) -> std::fmt::Result {
    writeln!(
        page,
        "<div class=\"case{class}\"><p><b>{}</b><br>{}: {}<br>Operation {}, answer: {}.<br>\
         <small>Point {}; {}; seen in {} of {} injections.</small></p><pre>{}</pre>",
        escape(&case.title),
        case.kind.text(),
        escape(&case.text),
        escape(&case.operation),
        escape(&case.reply),
        escape(&case.id),
        escape(&case.plausible),
        case.seen,
        case.injections,
        escape(&case.stack.join("\n"))
    )?;
    if !case.details.is_empty() {
        let lines = escape(&case.details.join("\n"));
        writeln!(
            page,
            "<details><summary>evidence</summary><pre>{lines}</pre></details>"
        )?;
    }
    writeln!(page, "</div>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_the_title_comes_first() {
        let mut report = Report::of(&crate::fault::report::tests::state()).unwrap();
        report.findings[0].text = "<script>".into();
        let page = page(&report);
        assert!(
            page.contains("<h1>FAULT INJECTED: __kmalloc_noprof"),
            "{page}"
        );
        assert!(
            page.contains("&lt;script&gt;") && !page.contains("<script>"),
            "{page}"
        );
        assert!(
            page.contains("1 failed, 0 reached, 1 never reached"),
            "{page}"
        );
    }
}
