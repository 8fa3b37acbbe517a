// SPDX-License-Identifier: GPL-2.0

//! Parses the line by which a user requests a hook.

use super::Returns;
use core::{
    fmt::{self, Write as _},
    num::NonZeroUsize,
};

/// The maximum length of a line, in bytes.
pub const LINE_LEN: usize = 1023;
/// The maximum length of a hook's name in bytes, since it becomes the name of a directory.
pub const NAME_LEN: usize = 255;
/// The maximum number of ranges in a list of CPUs.
pub const MAX_CPU_RANGES: usize = 8;

/// The data that a hook collects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The number of calls.
    Count,
    /// The durations of the calls.
    Latency,
    /// The return values of the calls.
    Return,
}

impl Kind {
    /// Returns the name in a line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Latency => "latency",
            Self::Return => "return",
        }
    }
}

/// CPUs as ranges that include both ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuList {
    ranges: [(u32, u32); MAX_CPU_RANGES],
    len: usize,
}

impl CpuList {
    /// Returns whether `cpu` is one of them.
    #[inline]
    pub fn contains(&self, cpu: u32) -> bool {
        self.ranges()
            .iter()
            .any(|&(first, last)| first <= cpu && cpu <= last)
    }

    fn ranges(&self) -> &[(u32, u32)] {
        self.ranges.get(..self.len).unwrap_or_default()
    }

    fn parse(text: &str) -> Option<Self> {
        let mut list = Self::default();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            let range = list.ranges.get_mut(list.len)?;
            if first > last {
                return None;
            }
            *range = (first, last);
            list.len += 1;
        }
        Some(list)
    }
}

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, &(first, last)) in self.ranges().iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            if first == last {
                write!(f, "{first}")?;
            } else {
                write!(f, "{first}-{last}")?;
            }
        }
        Ok(())
    }
}

/// The conditions for the calls that a hook sees. A call must meet all conditions that are set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilterSpec<'a> {
    /// A task, by its ID in the initial namespace.
    pub pid: Option<u32>,
    /// A process, by its ID in the initial namespace.
    pub tgid: Option<u32>,
    /// A process with its descendants, by its ID in the initial namespace.
    pub tree: Option<u32>,
    /// A cgroup with its descendants, by its path in the default hierarchy.
    pub cgroup: Option<&'a str>,
    /// CPUs.
    pub cpus: Option<CpuList>,
}

impl fmt::Display for FilterSpec<'_> {
    /// Writes the conditions as in a line, with a blank before each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(pid) = self.pid {
            write!(f, " pid={pid}")?;
        }
        if let Some(tgid) = self.tgid {
            write!(f, " tgid={tgid}")?;
        }
        if let Some(tree) = self.tree {
            write!(f, " tree={tree}")?;
        }
        if let Some(cgroup) = self.cgroup {
            write!(f, " cgroup={cgroup}")?;
        }
        if let Some(cpus) = &self.cpus {
            write!(f, " cpu={cpus}")?;
        }
        Ok(())
    }
}

/// A requested hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The function, as `[MODULE:]FUNCTION`.
    pub function: &'a str,
    /// The data to collect.
    pub kind: Kind,
    /// The name of the hook, if the line has one.
    pub name: Option<&'a str>,
    /// The conditions for the calls.
    pub filter: FilterSpec<'a>,
    /// The position among several functions of that name, from 1 in the order of their addresses.
    pub position: Option<NonZeroUsize>,
    /// The type of the function's return value, if the line has one.
    pub returns: Option<Returns>,
    /// Whether the function's module may be loaded later.
    pub when_loaded: bool,
}

/// The reason why a line is no request. Its text says what is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError<'a> {
    /// The line has no function or no kind.
    Missing,
    /// The word is no kind of hook.
    Kind(&'a str),
    /// The word is no option.
    Option(&'a str),
    /// The value of an option is not valid.
    Value(&'a str, &'static str),
    /// An option occurs twice.
    Twice(&'a str),
}

impl fmt::Display for RequestError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str(
                "expected '[MODULE:]FUNCTION count|latency|return [name=NAME] [pid=N] [tgid=N] \
                 [tree=N] [cgroup=PATH] [cpu=LIST] [position=N] [returns=TYPE] [when_loaded]'",
            ),
            Self::Kind(word) => {
                write!(f, "'{word}' is no kind of hook: count, latency or return")
            }
            Self::Option(word) => {
                write!(
                    f,
                    "'{word}' is no option: name=, pid=, tgid=, tree=, cgroup=, cpu=, position=, \
                     returns= or when_loaded"
                )
            }
            Self::Value(word, allowed) => write!(f, "'{word}': expected {allowed}"),
            Self::Twice(word) => write!(f, "'{word}': this option stands there twice"),
        }
    }
}

impl<'a> Request<'a> {
    /// Parses a line.
    ///
    /// # Errors
    ///
    /// Returns the reason if the line is no valid request.
    pub fn parse(line: &'a str) -> Result<Self, RequestError<'a>> {
        let mut words = line.split_ascii_whitespace();
        let (Some(function), Some(kind)) = (words.next(), words.next()) else {
            return Err(RequestError::Missing);
        };
        let mut request = Self {
            function,
            kind: match kind {
                "count" => Kind::Count,
                "latency" => Kind::Latency,
                "return" => Kind::Return,
                _ => return Err(RequestError::Kind(kind)),
            },
            name: None,
            filter: FilterSpec::default(),
            position: None,
            returns: None,
            when_loaded: false,
        };
        for word in words {
            if word == "when_loaded" {
                request.flag(word)?;
            } else {
                request.option(word)?;
            }
        }
        Ok(request)
    }

    fn flag(&mut self, word: &'a str) -> Result<(), RequestError<'a>> {
        if self.when_loaded {
            return Err(RequestError::Twice(word));
        }
        if !self.function.contains(':') {
            return Err(RequestError::Value(word, "a function as MODULE:FUNCTION"));
        }
        self.when_loaded = true;
        Ok(())
    }

    fn option(&mut self, word: &'a str) -> Result<(), RequestError<'a>> {
        let (key, value) = word.split_once('=').ok_or(RequestError::Option(word))?;
        match key {
            "name" => {
                let name = is_name(value).then_some(value);
                let allowed = "a name of at most 255 letters, digits, '_', '-' and '.', \
                               not '.', '..' or a file of hooks/";
                set(&mut self.name, word, name, allowed)
            }
            "pid" => set(&mut self.filter.pid, word, number(value), "a task's ID"),
            "tgid" => set(&mut self.filter.tgid, word, number(value), "a process's ID"),
            "tree" => set(&mut self.filter.tree, word, number(value), "a process's ID"),
            "cgroup" => set(
                &mut self.filter.cgroup,
                word,
                value.starts_with('/').then_some(value),
                "a path below where cgroup2 is mounted, such as /system.slice",
            ),
            "cpu" => set(
                &mut self.filter.cpus,
                word,
                CpuList::parse(value),
                "a list of at most 8 ranges of CPUs, such as 0,2-3",
            ),
            "position" => set(
                &mut self.position,
                word,
                number(value).and_then(|n: usize| NonZeroUsize::new(n)),
                "a position, counted from 1",
            ),
            "returns" => {
                let returns = Returns::parse(value).filter(|_| self.kind == Kind::Return);
                set(
                    &mut self.returns,
                    word,
                    returns,
                    "of a 'return' hook s8, s16, s32, s64, u8, u16, u32, u64, bool or ptr",
                )
            }
            _ => Err(RequestError::Option(word)),
        }
    }

    /// Returns the name of the hook: the requested name, or else the name of the function and the
    /// kind. Characters of the function that a name cannot have become `_`.
    pub fn hook_name(&self) -> HookName<'_> {
        HookName(self)
    }
}

/// Displays the name of a requested hook.
pub struct HookName<'a>(&'a Request<'a>);

impl fmt::Display for HookName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = self.0;
        if let Some(name) = request.name {
            return f.write_str(name);
        }
        for c in request.function.chars() {
            f.write_char(if is_name_char(c) { c } else { '_' })?;
        }
        write!(f, "_{}", request.kind.name())
    }
}

fn set<'a, T>(
    place: &mut Option<T>,
    word: &'a str,
    value: Option<T>,
    allowed: &'static str,
) -> Result<(), RequestError<'a>> {
    if place.is_some() {
        return Err(RequestError::Twice(word));
    }
    *place = Some(value.ok_or(RequestError::Value(word, allowed))?);
    Ok(())
}

/// Parses a number that has only digits.
fn number<T: core::str::FromStr>(text: &str) -> Option<T> {
    // `from_str` would also accept a sign.
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn is_name(text: &str) -> bool {
    // The files in the same directory as the hooks' directories.
    const TAKEN: [&str; 6] = [".", "..", "add", "del", "error", "list"];
    (1..=NAME_LEN).contains(&text.len()) && text.chars().all(is_name_char) && !TAKEN.contains(&text)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::{String, ToString};

    fn name(line: &str) -> String {
        Request::parse(line).unwrap().hook_name().to_string()
    }

    #[test]
    fn a_whole_line() {
        let line = " ext4:ext4_sync_file\tlatency name=sync pid=12 tgid=11 tree=1 cgroup=/a/b \
                    cpu=0,2-3 position=2\n";
        let request = Request::parse(line).unwrap();
        assert_eq!(request.function, "ext4:ext4_sync_file");
        assert_eq!(request.kind, Kind::Latency);
        assert_eq!(request.name, Some("sync"));
        assert_eq!(request.position, NonZeroUsize::new(2));
        assert_eq!(
            request.filter.to_string(),
            " pid=12 tgid=11 tree=1 cgroup=/a/b cpu=0,2-3"
        );
        let cpus = request.filter.cpus.unwrap();
        let seen = [0, 1, 2, 3, 4].map(|cpu| cpus.contains(cpu));
        assert_eq!(seen, [true, false, true, true, false]);
    }

    #[test]
    fn a_type_of_what_is_returned() {
        let request = Request::parse("f return returns=u16").unwrap();
        assert_eq!(request.returns, Some(Returns::Unsigned(2)));
        assert_eq!(Request::parse("f return").unwrap().returns, None);
    }

    #[test]
    fn a_module_that_may_be_missing() {
        assert!(
            Request::parse("m:f count when_loaded pid=1")
                .unwrap()
                .when_loaded
        );
        assert!(!Request::parse("m:f count").unwrap().when_loaded);
    }

    #[test]
    fn the_shortest_line() {
        let request = Request::parse("vfs_read count").unwrap();
        assert_eq!((request.function, request.kind), ("vfs_read", Kind::Count));
        assert_eq!(request.filter, FilterSpec::default());
        assert_eq!(request.filter.to_string(), "");
    }

    #[test]
    fn names() {
        assert_eq!(name("vfs_read count"), "vfs_read_count");
        assert_eq!(name("ext4:f.isra.0 return"), "ext4_f.isra.0_return");
        assert_eq!(name("vfs_read count name=a-1"), "a-1");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, expected) in [
            ("", "expected '[MODULE:]FUNCTION"),
            ("vfs_read", "expected '[MODULE:]FUNCTION"),
            ("vfs_read counts", "'counts' is no kind of hook: count,"),
            ("f count pid", "'pid' is no option: name=,"),
            ("f count uid=1", "'uid=1' is no option"),
            ("f count pid=", "'pid=': expected a task's ID"),
            ("f count pid=+1", "'pid=+1': expected"),
            ("f count pid=-1", "'pid=-1': expected"),
            ("f count tgid=99999999999", "expected a process's ID"),
            ("f count tree=", "expected a process's ID"),
            ("f count cgroup=a", "'cgroup=a': expected a path"),
            ("f count cpu=3-2", "expected a list of at most 8"),
            ("f count cpu=1,", "expected a list"),
            ("f count cpu=0,1,2,3,4,5,6,7,8", "at most 8"),
            ("f count position=0", "counted from 1"),
            (
                "f return returns=int",
                "'returns=int': expected of a 'return' hook s8,",
            ),
            ("f latency returns=s32", "expected of a 'return' hook"),
            (
                "f count when_loaded",
                "'when_loaded': expected a function as MODULE:FUNCTION",
            ),
            ("m:f count when_loaded when_loaded", "stands there twice"),
            ("m:f count when_loaded=1", "'when_loaded=1' is no option"),
            ("f count name=", "expected a name"),
            ("f count name=a/b", "expected a name"),
            ("f count name=..", "expected a name"),
            ("f count name=list", "expected a name"),
            (
                "f count pid=1 pid=2",
                "'pid=2': this option stands there twice",
            ),
        ] {
            let error = Request::parse(line).unwrap_err().to_string();
            assert!(error.contains(expected), "{line:?}: {error}");
        }
        let long = std::format!("f count name={}", "x".repeat(NAME_LEN + 1));
        assert!(Request::parse(&long).is_err());
        assert!(Request::parse(&long[..long.len() - 1]).is_ok());
    }
}
