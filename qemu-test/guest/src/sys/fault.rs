// SPDX-License-Identifier: GPL-2.0

//! Controls the library's fault attribute, and reads its fault points.
//!
//! See `Documentation/fault-injection/fault-injection.rst` in the kernel source for the meaning of
//! each file.

use std::str::FromStr;

use anyhow::{anyhow, Context, Result};

use super::{debugfs, Answer};

/// The attribute that the points of the modules share.
const ATTRIBUTE: &str = "fail_setup";

/// A fault point: a line of the file `points`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Name of the point.
    pub name: String,
    /// Name of the error number that it returns when it fails.
    pub errno: String,
    /// How often the point was passed, including failures.
    pub passed: u64,
    /// How often it was made to fail.
    pub failed: u64,
}

impl FromStr for Point {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Self> {
        let words: Vec<_> = line.split_whitespace().collect();
        let bad = || anyhow!("not `NAME ERRNO PASSED FAILED`: '{line}'");
        match words[..] {
            [name, errno, passed, failed] => Ok(Self {
                name: name.to_string(),
                errno: errno.to_string(),
                passed: passed.parse().map_err(|_| bad())?,
                failed: failed.parse().map_err(|_| bad())?,
            }),
            _ => Err(bad()),
        }
    }
}

/// Writes one file of the attribute and returns the kernel's answer.
///
/// # Errors
///
/// See [`debugfs::write`].
pub fn write(file: &str, text: &str) -> Result<Answer> {
    debugfs::write(debugfs::tackle(&format!("{ATTRIBUTE}/{file}")), text)
}

/// Reads one file of the attribute.
///
/// # Errors
///
/// There is no such file.
pub fn read(file: &str) -> Result<String> {
    debugfs::read(debugfs::tackle(&format!("{ATTRIBUTE}/{file}")))
}

/// Writes several files of the attribute.
///
/// # Errors
///
/// The kernel refuses one. The message names it.
pub fn set(settings: &[(&str, &str)]) -> Result<()> {
    settings.iter().try_for_each(|(file, text)| {
        write(file, text)?.with_context(|| format!("cannot set {file} to {text}"))
    })
}

/// Makes only the `number`-th point fail that is passed from now on, counted from 1.
///
/// # Errors
///
/// See [`set`].
pub fn arm(number: u32) -> Result<()> {
    set(&[
        ("probability", "0"),
        ("interval", "1"),
        ("times", "1"),
        ("space", &number.to_string()),
        ("task-filter", "0"),
        ("verbose", "0"),
        // This is the last setting, because no point fails while it is 0.
        ("probability", "100"),
    ])
}

/// Makes no point fail.
///
/// # Errors
///
/// See [`set`].
pub fn disarm() -> Result<()> {
    set(&[("probability", "0"), ("space", "0"), ("times", "1")])
}

/// Returns the points that the library knows now.
///
/// # Errors
///
/// The file cannot be read or has a line of another form.
pub fn points() -> Result<Vec<Point>> {
    read("points")?.lines().map(str::parse).collect()
}

/// Returns the sums of passed and failed over all points.
///
/// # Errors
///
/// See [`points`].
pub fn totals() -> Result<(u64, u64)> {
    let points = points()?;
    Ok(points.iter().fold((0, 0), |(passed, failed), point| {
        (passed + point.passed, failed + point.failed)
    }))
}

/// Returns the points that failed more often in `after` than in `before`.
pub fn hit(before: &[Point], after: &[Point]) -> Vec<Point> {
    let failed_before = |name: &str| {
        let found = before.iter().find(|point| point.name == name);
        found.map_or(0, |point| point.failed)
    };
    after
        .iter()
        .filter(|point| point.failed > failed_before(&point.name))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(line: &str) -> Point {
        line.parse().unwrap()
    }

    #[test]
    fn a_line_has_four_words() {
        let parsed = point("register_qdisc EEXIST 3 1");
        assert_eq!(parsed.name, "register_qdisc");
        assert_eq!(parsed.errno, "EEXIST");
        assert_eq!((parsed.passed, parsed.failed), (3, 1));
        for bad in ["", "a EINVAL 1", "a EINVAL one 2", "a EINVAL 1 2 3"] {
            assert!(bad.parse::<Point>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_hit_is_a_point_that_failed_once_more() {
        let before = [point("a EINVAL 2 1")];
        let after = [
            point("a EINVAL 3 1"),
            point("b ENOMEM 1 1"),
            point("c EEXIST 1 0"),
        ];
        assert_eq!(hit(&before, &after), [point("b ENOMEM 1 1")]);
        assert!(hit(&after, &after).is_empty());
    }
}
