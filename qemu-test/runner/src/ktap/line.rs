// SPDX-License-Identifier: GPL-2.0

//! Parses one line of KTAP, independent of other lines.

/// A plan with more tests than this is ignored. Without the limit, a garbled plan could cause
/// reports of a million tests that were not run.
pub const MAX_PLAN: u32 = 100_000;

/// A parsed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// `KTAP version 1` or a TAP version: a block of results begins.
    Version,
    /// `1..N`.
    Plan(u32),
    /// `ok ...` or `not ok ...`.
    Result(ResultLine<'a>),
    /// `# begin NAME`: this project's diagnostic line with the name of the next test.
    Begin(&'a str),
    /// `# text`; the text without the hash sign.
    Diagnostic(&'a str),
    /// Anything else that is not blank.
    Unknown(&'a str),
    /// Nothing but white space.
    Blank,
}

/// The parts of a test case result line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultLine<'a> {
    /// Whether the line has `ok` rather than `not ok`.
    pub ok: bool,
    /// The number of the test in its block, from 1.
    pub number: u32,
    /// The name of the test; may be empty.
    pub description: &'a str,
    /// The directive of KTAP after the hash sign, if there is one.
    pub directive: Option<Directive>,
    /// The text after the hash sign and the directive.
    pub data: &'a str,
}

/// The directives of KTAP. `TODO` is not one of them: in KTAP it does not change the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directive {
    /// The test was not run, for a reason.
    Skip,
    /// The test is expected to fail.
    Xfail,
    /// The test took too long.
    Timeout,
    /// The test could not be carried out.
    Error,
}

/// Parses a line. Returns its nesting depth (two spaces for each level) and its contents.
///
/// This never fails. A line without a known format is [`Line::Unknown`]. So is a line with an odd
/// indentation, which belongs to no level, unless it is a diagnostic line, whose depth does not
/// matter.
pub fn classify(raw: &str) -> (usize, Line<'_>) {
    let line = raw.trim_end();
    let text = line.trim_start_matches(' ');
    let indent = line.len() - text.len();
    let parsed = parse(text.trim_start());
    let regular = indent % 2 == 0 && !text.starts_with(char::is_whitespace);
    match parsed {
        Line::Version | Line::Plan(_) | Line::Result(_) if !regular => {
            (indent / 2, Line::Unknown(text))
        }
        other => (indent / 2, other),
    }
}

fn parse(text: &str) -> Line<'_> {
    if text.is_empty() {
        return Line::Blank;
    }
    if let Some(rest) = text.strip_prefix('#') {
        let rest = rest.trim();
        return match rest.strip_prefix("begin ").map(str::trim) {
            Some(name) if !name.is_empty() => Line::Begin(name),
            _ => Line::Diagnostic(rest),
        };
    }
    if matches!(text, "KTAP version 1" | "TAP version 13" | "TAP version 14") {
        return Line::Version;
    }
    if let Some(count) = text.strip_prefix("1..").and_then(plan) {
        return Line::Plan(count);
    }
    result(text).map_or(Line::Unknown(text), Line::Result)
}

fn plan(text: &str) -> Option<u32> {
    // "1..0 # SKIP all" is a plan, too.
    let digits = text.split('#').next().unwrap_or_default().trim_end();
    number(digits).filter(|count| *count <= MAX_PLAN)
}

/// Parses decimal digits only. `str::parse` alone would accept a sign.
fn number(digits: &str) -> Option<u32> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

fn result(text: &str) -> Option<ResultLine<'_>> {
    let (ok, rest) = match text.strip_prefix("not ok ") {
        Some(rest) => (false, rest),
        None => (true, text.strip_prefix("ok ")?),
    };
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (digits, rest) = rest.split_at(end);
    let number = number(digits)?;
    if !(rest.is_empty() || rest.starts_with(' ') || rest.starts_with('#')) {
        return None;
    }
    let (description, comment) = rest.split_once('#').unwrap_or((rest, ""));
    let description = description.trim();
    let (directive, data) = directive(comment.trim());
    Some(ResultLine {
        ok,
        number,
        // TAP has a dash before the name, and so have some kernel tests.
        description: description.strip_prefix("- ").unwrap_or(description).trim(),
        directive,
        data,
    })
}

fn directive(comment: &str) -> (Option<Directive>, &str) {
    let end = comment
        .find(|c: char| !c.is_ascii_uppercase())
        .unwrap_or(comment.len());
    let (word, rest) = comment.split_at(end);
    let directive = match word {
        "SKIP" => Directive::Skip,
        "XFAIL" => Directive::Xfail,
        "TIMEOUT" => Directive::Timeout,
        "ERROR" => Directive::Error,
        _ => return (None, comment),
    };
    if rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
        return (None, comment);
    }
    (Some(directive), rest.trim_start_matches(':').trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result_of(text: &str) -> ResultLine<'_> {
        match classify(text).1 {
            Line::Result(result) => result,
            other => panic!("{text:?} is {other:?}"),
        }
    }

    #[test]
    fn versions_and_plans() {
        assert_eq!(classify("KTAP version 1\r\n"), (0, Line::Version));
        assert_eq!(classify("  TAP version 14"), (1, Line::Version));
        assert!(matches!(classify("KTAP version 2").1, Line::Unknown(_)));
        assert_eq!(classify("    1..7"), (2, Line::Plan(7)));
        assert_eq!(classify("1..0 # SKIP none"), (0, Line::Plan(0)));
        for noise in [
            "1..",
            "1..x",
            "1..+3",
            "2..3",
            "1..99999999999",
            "1..100001",
        ] {
            assert!(
                matches!(classify(noise).1, Line::Unknown(_)),
                "{noise} was taken for a plan"
            );
        }
    }

    #[test]
    fn plain_results() {
        let result = result_of("  not ok 12 - some name");
        assert!(!result.ok);
        assert_eq!((result.number, result.description), (12, "some name"));
        assert_eq!(result_of("ok 1").description, "");
        let result = result_of("ok 5 check return code # rcode=0");
        assert_eq!((result.directive, result.data), (None, "rcode=0"));
    }

    #[test]
    fn directives() {
        let result = result_of("ok 1 test # SKIP necessary dependency unavailable");
        assert_eq!(result.directive, Some(Directive::Skip));
        assert_eq!(result.data, "necessary dependency unavailable");
        assert_eq!(result_of("ok 4 t # SKIP").directive, Some(Directive::Skip));
        assert_eq!(result_of("ok 1 # SKIP: why").data, "why");
        assert_eq!(
            result_of("not ok 1 # XFAIL").directive,
            Some(Directive::Xfail)
        );
        let result = result_of("not ok 1 test # TIMEOUT 30 seconds");
        assert_eq!(result.directive, Some(Directive::Timeout));
        for plain in [
            "ok 1 a # SKIPPED",
            "ok 1 a # skip it",
            "not ok 1 a # TODO b",
        ] {
            assert_eq!(result_of(plain).directive, None, "{plain}");
        }
    }

    #[test]
    fn diagnostics() {
        assert_eq!(classify("  # begin a_test"), (1, Line::Begin("a_test")));
        assert_eq!(classify("# begin "), (0, Line::Diagnostic("begin")));
        assert_eq!(classify("# a: FAIL\r"), (0, Line::Diagnostic("a: FAIL")));
        assert_eq!(classify(" \t\r\n").1, Line::Blank);
    }

    #[test]
    fn what_only_looks_like_a_result() {
        for noise in [
            "okay 1 a",
            "ok",
            "ok one",
            "ok 1a",
            "not  ok 1 a",
            " ok 1 odd",
            "\tok 1 t",
        ] {
            assert!(
                matches!(classify(noise).1, Line::Unknown(_)),
                "{noise:?} was taken for a result"
            );
        }
    }
}
