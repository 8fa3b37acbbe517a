// SPDX-License-Identifier: GPL-2.0

//! Implements the check of cases that must not compile. Each case is a file that names the expected
//! errors of rustc and their lines.
//!
//! A comment `//~ ERROR TEXT` at the end of a line expects an error at this line whose message
//! contains TEXT. rustc must report each expected error and no other error. A file without such
//! comments must compile. The line of an error in a macro is the line that uses the macro.

use std::path::Path;

use serde::Deserialize;

/// The folder of the cases.
pub const CASES: &str = "tests/compile-fail";

const MARK: &str = "//~ ERROR ";

/// A message of rustc: one line of `--error-format=json`.
#[derive(Debug, Deserialize)]
struct Message {
    message: String,
    level: String,
    spans: Vec<Span>,
    #[serde(default)]
    children: Vec<Message>,
}

#[derive(Debug, Deserialize)]
struct Span {
    file_name: String,
    line_start: usize,
    is_primary: bool,
    label: Option<String>,
    expansion: Option<Box<Expansion>>,
}

#[derive(Debug, Deserialize)]
struct Expansion {
    span: Span,
}

impl Span {
    /// Returns the line in the case that this span is at. For code of a macro, this is the line
    /// that uses the macro.
    fn line(&self, case: &Path) -> Option<usize> {
        if Path::new(&self.file_name).ends_with(case) {
            return Some(self.line_start);
        }
        self.expansion.as_ref()?.span.line(case)
    }
}

impl Message {
    fn is_error(&self) -> bool {
        self.level.starts_with("error") && !self.message.starts_with("aborting due to")
    }

    /// Returns the line of the error: that of the primary span, or else of the first span in the
    /// case.
    fn line(&self, case: &Path) -> Option<usize> {
        let primary = self.spans.iter().filter(|span| span.is_primary);
        let further = self
            .spans
            .iter()
            .chain(self.children.iter().flat_map(|c| &c.spans));
        primary.chain(further).find_map(|span| span.line(case))
    }

    /// Returns whether the message, its notes or its labels contain `text`. The source lines that
    /// rustc shows do not count, since they include the comments of the case.
    fn says(&self, text: &str) -> bool {
        let labels = self.spans.iter().filter_map(|span| span.label.as_deref());
        self.message.contains(text)
            || labels.into_iter().any(|label| label.contains(text))
            || self.children.iter().any(|child| child.says(text))
    }
}

/// Returns how the outcome differs from what the case `source` at `path` expects. `said` is the
/// output of rustc, and `compiled` is whether rustc succeeded.
pub fn judge(path: &Path, source: &str, compiled: bool, said: &str) -> Vec<String> {
    let expected: Vec<(usize, &str)> = source
        .lines()
        .enumerate()
        .filter_map(|(index, line)| Some((index + 1, line.split_once(MARK)?.1.trim())))
        .collect();
    let place = |line: usize| format!("{}:{line}", path.display());
    let (messages, other): (Vec<_>, Vec<_>) = said
        .lines()
        .map(|line| serde_json::from_str::<Message>(line).map_err(|_| line))
        .partition(Result::is_ok);
    let mut complaints = Vec::new();
    let mut met = vec![false; expected.len()];
    for message in messages.into_iter().flatten().filter(Message::is_error) {
        let line = message.line(path);
        let wanted = expected
            .iter()
            .position(|(at, text)| Some(*at) == line && message.says(text));
        match wanted {
            Some(index) => met[index] = true,
            None => complaints.push(format!(
                "{}: unexpected error: {}",
                place(line.unwrap_or(0)),
                message.message
            )),
        }
    }
    for ((line, text), _) in expected.iter().zip(&met).filter(|(_, met)| !**met) {
        complaints.push(format!("{}: expected an error: {text}", place(*line)));
    }
    if complaints.is_empty() && compiled != expected.is_empty() {
        let outcome = if compiled {
            "compiles"
        } else {
            "does not compile"
        };
        let said = other.into_iter().filter_map(Result::err).next();
        complaints.push(format!(
            "{}: {outcome}: {}",
            path.display(),
            said.unwrap_or("rustc did not say why")
        ));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: &str = "tests/compile-fail/x.rs";
    const SOURCE: &str = "fn f() {}\nfoo! { //~ ERROR mismatched types\n}\n";

    fn error(message: &str, file: &str, line: usize) -> String {
        format!(
            r#"{{"message":"{message}","level":"error","spans":[{}],"children":[],"rendered":"{message} {}"}}"#,
            span(file, line, "null"),
            "foo! { //~ ERROR mismatched types"
        )
    }

    fn span(file: &str, line: usize, expansion: &str) -> String {
        format!(
            r#"{{"file_name":"{file}","line_start":{line},"is_primary":true,"expansion":{expansion}}}"#
        )
    }

    fn complaints(source: &str, compiled: bool, said: &str) -> Vec<String> {
        judge(Path::new(CASE), source, compiled, said)
    }

    #[test]
    fn an_expected_error_is_none() {
        let path = format!("/somewhere/{CASE}");
        let said = error("mismatched types", &path, 2)
            + "\n"
            + r#"{"message":"aborting due to 1 previous error","level":"error","spans":[],"children":[],"rendered":null}"#;
        assert_eq!(complaints(SOURCE, false, &said), Vec::<String>::new());
    }

    #[test]
    fn an_error_in_a_macro_is_where_the_macro_is_used() {
        let used = span(CASE, 2, "null");
        let expansion = format!(r#"{{"span":{used}}}"#);
        let said = format!(
            r#"{{"message":"mismatched types","level":"error","spans":[{}],"rendered":"mismatched types"}}"#,
            span("library.rs", 7, &expansion)
        );
        assert_eq!(complaints(SOURCE, false, &said), Vec::<String>::new());
    }

    #[test]
    fn what_compiles_is_a_complaint() {
        let found = complaints(SOURCE, true, "");
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("x.rs:2: expected an error"), "{found:?}");
    }

    #[test]
    fn another_reason_is_a_complaint() {
        for (message, line) in [("cannot find value", 2), ("mismatched types", 1)] {
            let found = complaints(SOURCE, false, &error(message, CASE, line));
            assert_eq!(found.len(), 2, "{found:?}");
            assert!(found[0].contains(message), "{found:?}");
        }
    }

    #[test]
    fn a_case_without_marks_has_to_compile() {
        assert!(complaints("fn f() {}\n", true, "").is_empty());
        assert_eq!(complaints("fn f() {}\n", false, "no rustc").len(), 1);
        assert_eq!(
            complaints("fn f() {}\n", false, &error("bad", CASE, 1)).len(),
            1
        );
    }
}
