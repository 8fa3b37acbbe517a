// SPDX-License-Identifier: GPL-2.0

//! Parses the lines that switch the balancing of tasks, and ranks the rules that they define.

use core::fmt;

/// The tasks to which a line applies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Subject<'a> {
    /// All tasks.
    All,
    /// The tasks of a cgroup and of the cgroups below it. The path begins with `/`.
    Cgroup(&'a str),
    /// The tasks of a process and of its descendants.
    Tgid(i32),
    /// A thread.
    Pid(i32),
}

/// The requested change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    /// Switch balancing on.
    On,
    /// Switch balancing off.
    Off,
    /// Remove the rule for these tasks.
    Clear,
}

/// The reason why a line is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ParseError(&'static str);

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Parses `VERB TASKS`. The verb is `on`, `off` or `clear`, and the tasks are `pid=N`, `tgid=N`,
/// `cgroup=/PATH` or `all`.
pub fn parse_switch(line: &str) -> Result<(Verb, Subject<'_>), ParseError> {
    let (verb, who) = line
        .trim_end_matches('\n')
        .split_once(' ')
        .ok_or(ParseError("not 'on TASKS', 'off TASKS' or 'clear TASKS'"))?;
    let verb = match verb {
        "on" => Verb::On,
        "off" => Verb::Off,
        "clear" => Verb::Clear,
        _ => return Err(ParseError("the first word is not on, off or clear")),
    };
    let who = match who.split_once('=') {
        None if who == "all" => Subject::All,
        Some(("pid", pid)) => Subject::Pid(id(pid)?),
        Some(("tgid", tgid)) => Subject::Tgid(id(tgid)?),
        Some(("cgroup", path)) if path.starts_with('/') => Subject::Cgroup(path),
        Some(("cgroup", _)) => return Err(ParseError("the path of a cgroup begins with /")),
        _ => return Err(ParseError("not pid=N, tgid=N, cgroup=/PATH or all")),
    };
    Ok((verb, who))
}

/// Parses `PID NODE` or `PID none`.
pub fn parse_prefer(line: &str) -> Result<(i32, Option<usize>), ParseError> {
    let (pid, node) = line
        .trim_end_matches('\n')
        .split_once(' ')
        .ok_or(ParseError("not 'PID NODE' or 'PID none'"))?;
    let node = match node {
        "none" => None,
        number => Some(
            number
                .parse()
                .map_err(|_| ParseError("the node is no number"))?,
        ),
    };
    Ok((id(pid)?, node))
}

fn id(text: &str) -> Result<i32, ParseError> {
    match text.parse() {
        Ok(id) if id > 0 => Ok(id),
        _ => Err(ParseError("the ID is not a number above 0")),
    }
}

/// How specific a rule is. Of all rules that match a task, the one with the greatest rank applies.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Rank(u32);

impl<'a> Subject<'a> {
    /// Returns the names in the cgroup's path, without empty ones.
    pub fn path(path: &'a str) -> impl Iterator<Item = &'a str> {
        path.split('/').filter(|name| !name.is_empty())
    }

    /// Returns its rank. In descending order, the ranks are those of threads, processes, cgroups
    /// (the deepest first), and all tasks.
    pub fn rank(&self) -> Rank {
        Rank(match self {
            Self::All => 0,
            Self::Cgroup(path) => {
                let depth = Self::path(path).count();
                // CAST: A path has fewer than 2^30 names.
                1 + depth as u32
            }
            Self::Tgid(_) => u32::MAX - 1,
            Self::Pid(_) => u32::MAX,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_mean_something() {
        for (line, expected) in [
            ("off pid=12", (Verb::Off, Subject::Pid(12))),
            ("on tgid=1\n", (Verb::On, Subject::Tgid(1))),
            (
                "clear cgroup=/a b/c=d",
                (Verb::Clear, Subject::Cgroup("/a b/c=d")),
            ),
            ("off all", (Verb::Off, Subject::All)),
        ] {
            assert_eq!(parse_switch(line), Ok(expected), "{line}");
        }
        assert_eq!(parse_prefer("7 3\n"), Ok((7, Some(3))));
        assert_eq!(parse_prefer("7 none"), Ok((7, None)));
    }

    #[test]
    fn lines_that_mean_nothing() {
        for line in [
            "",
            "off",
            "off ",
            "of pid=1",
            "off pid=0",
            "off pid=-1",
            "off pid=x",
            "off pid",
            "off pid=99999999999",
            "off cgroup=a",
            "off everything",
            "off  all",
        ] {
            assert!(parse_switch(line).is_err(), "{line}");
        }
        for line in ["", "1", "x 1", "1 x", "0 1", "1 -1", "1 1 1"] {
            assert!(parse_prefer(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_most_specific_comes_first() {
        let rising = [
            Subject::All,
            Subject::Cgroup("/"),
            Subject::Cgroup("/a"),
            Subject::Cgroup("/a/b/"),
            Subject::Tgid(1),
            Subject::Pid(1),
        ];
        assert!(rising
            .windows(2)
            .all(|pair| pair[0].rank() < pair[1].rank()));
    }
}
