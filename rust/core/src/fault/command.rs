// SPDX-License-Identifier: GPL-2.0

//! Parses the commands of the fault injector.

use super::{plan::Mode, point::PointId};
use crate::hooks::{Returns, MAX_ERRNO};
use core::{fmt, num::NonZeroU64, str::SplitAsciiWhitespace};

/// The maximum length of a command, in bytes.
pub const COMMAND_LEN: usize = 1023;
/// The maximum number of functions of `return=`.
pub const MAX_NAMED: usize = 16;
/// The maximum number of modules in `module=`.
pub const MAX_MODULES: usize = 4;
/// The default of the maximum number of calls at one point that fail in the mode `from`.
pub const DEFAULT_LIMIT: NonZeroU64 = match NonZeroU64::new(1000) {
    Some(limit) => limit,
    None => NonZeroU64::MIN,
};

/// A command.
// A command is parsed once and only on the stack, so the size of the largest variant does no harm.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command<'a> {
    /// Print the table of functions.
    Functions,
    /// Place hooks.
    Place(Selection<'a>),
    /// Select the calls that fail.
    Arm(Mode),
    /// Let no call fail.
    Disarm,
    /// Print the counters.
    Status,
    /// Print the points.
    Points,
    /// Forget the points.
    Forget,
}

/// The value that a function of `return=` returns when it fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Value {
    /// A null pointer.
    Null,
    /// A number.
    Number(i64),
    /// A `bool`.
    Bool(bool),
}

impl Value {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "null" => Self::Null,
            "true" => Self::Bool(true),
            "false" => Self::Bool(false),
            _ => match text.strip_prefix("0x") {
                // CAST: The value keeps its bits.
                Some(digits) => Self::Number(u64::from_str_radix(digits, 16).ok()? as i64),
                None => Self::Number(text.parse().ok()?),
            },
        })
    }

    /// Returns the contents of the return register for this value and return type; [`None`] if the
    /// value does not suit the type.
    pub fn register(self, returns: Returns) -> Option<u64> {
        let is_errno = |number: i64| (-MAX_ERRNO..0).contains(&number);
        // CAST: The values keep their bits.
        match (self, returns) {
            (Self::Null, Returns::Pointer) => Some(0),
            (Self::Number(number), Returns::Pointer) if is_errno(number) => Some(number as u64),
            (Self::Bool(value), Returns::Bool) => Some(u64::from(value)),
            (Self::Number(number), Returns::Signed(bytes)) => {
                let bits = u32::from(bytes).checked_mul(8)?;
                let unused = 64_u32.checked_sub(bits)?;
                // The number suits the type if it is the same after its upper bits are replaced by
                // the sign.
                (number.checked_shl(unused)?.checked_shr(unused)? == number)
                    .then_some(number as u64)
            }
            (Self::Number(number), Returns::Unsigned(bytes)) => {
                let bits = u32::from(bytes).checked_mul(8)?;
                let unused = 64_u32.checked_sub(bits)?;
                let number = number as u64;
                (number.checked_shl(unused)?.checked_shr(unused)? == number).then_some(number)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Bool(value) => write!(f, "{value}"),
        }
    }
}

/// An operation of a block device.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operation {
    /// Any operation.
    Any,
    /// `REQ_OP_READ`.
    Read,
    /// `REQ_OP_WRITE`.
    Write,
    /// `REQ_OP_FLUSH`, or a write with `REQ_PREFLUSH`.
    Flush,
    /// `REQ_OP_DISCARD`.
    Discard,
}

/// The names of the statuses with which a bio can fail. `rust/helpers/fault.c` has their codes in
/// the same order.
pub const STATUSES: [&str; 10] = [
    "ioerr",
    "notsupp",
    "timeout",
    "nospc",
    "transport",
    "target",
    "medium",
    "protection",
    "resource",
    "again",
];

/// The property by which calls belong to the same point.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Context {
    /// The place of the call in the module under test.
    #[default]
    Site,
    /// All return addresses.
    Stack,
}

/// The selected calls: the words of `place`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Selection<'a> {
    /// Classes and functions, separated by commas.
    pub functions: &'a str,
    named: [Option<(&'a str, Value)>; MAX_NAMED],
    /// Modules, separated by commas. Empty for all code.
    pub modules: &'a str,
    /// A process; its descendants are selected as well.
    pub tree: Option<u32>,
    /// The number of a system call.
    pub syscall: Option<u32>,
    /// A block device: its major and minor number.
    pub device: Option<(u32, u32)>,
    /// The operation of bios.
    pub operation: Operation,
    /// The index in [`STATUSES`].
    pub status: usize,
    /// The property by which calls belong to the same point.
    pub context: Context,
}

impl<'a> Selection<'a> {
    const fn new() -> Self {
        Self {
            functions: "slab,pages,vmalloc,percpu,skb",
            named: [None; MAX_NAMED],
            modules: "",
            tree: None,
            syscall: None,
            device: None,
            operation: Operation::Any,
            status: 0,
            context: Context::Site,
        }
    }

    /// Returns the functions of `return=` and their values.
    pub fn named(&self) -> impl Iterator<Item = (&'a str, Value)> + '_ {
        self.named.iter().flatten().copied()
    }

    /// Returns the classes and functions of `functions=`.
    pub fn functions(&self) -> impl Iterator<Item = &'a str> {
        let none = self.functions == "none";
        self.functions.split(',').filter(move |_| !none)
    }

    /// Returns the modules of `module=`.
    pub fn modules(&self) -> impl Iterator<Item = &'a str> {
        self.modules.split(',').filter(|name| !name.is_empty())
    }

    fn parse(words: SplitAsciiWhitespace<'a>) -> Result<Self, CommandError<'a>> {
        let mut selection = Self::new();
        let mut seen = [false; WORDS.len()];
        for word in words {
            let refuse = |allowed| CommandError::Value(word, allowed);
            let (key, value) = word.split_once('=').ok_or(CommandError::Word(word))?;
            let index = WORDS.iter().position(|known| *known == key);
            let index = index.ok_or(CommandError::Word(word))?;
            let is_twice = seen
                .get_mut(index)
                .is_some_and(|seen| core::mem::replace(seen, true));
            if is_twice && key != "return" {
                return Err(CommandError::Twice(word));
            }
            let number = || value.parse().map_err(|_| refuse("a number"));
            match key {
                "functions" if value.is_empty() => return Err(refuse("classes or functions")),
                "functions" => selection.functions = value,
                "module" => {
                    selection.modules = value;
                    let is_name = |name: &str| !name.is_empty() && name.len() < MODULE_NAME;
                    if !value.split(',').all(is_name) || value.split(',').count() > MAX_MODULES {
                        return Err(refuse("1 to 4 names of modules, separated by commas"));
                    }
                }
                "tree" => selection.tree = Some(number()?),
                "syscall" => selection.syscall = Some(number()?),
                "device" => selection.device = Some(device(value).ok_or(refuse("MAJOR:MINOR"))?),
                "op" => selection.operation = operation(value).ok_or(refuse(OPERATIONS))?,
                "status" => {
                    let index = STATUSES.iter().position(|status| *status == value);
                    selection.status = index.ok_or(refuse(
                        "ioerr, notsupp, timeout, nospc, transport, target, medium, protection, \
                         resource or again",
                    ))?;
                }
                "context" => {
                    selection.context = match value {
                        "site" => Context::Site,
                        "stack" => Context::Stack,
                        _ => return Err(refuse("site or stack")),
                    }
                }
                // "return"
                _ => {
                    let named = value.split_once(':').and_then(|(name, value)| {
                        Some((name, Value::parse(value)?)).filter(|_| !name.is_empty())
                    });
                    let named =
                        named.ok_or(refuse("FUNCTION:VALUE with a number, null, true or false"))?;
                    let free = selection.named.iter_mut().find(|named| named.is_none());
                    *free.ok_or(CommandError::TooMany)? = Some(named);
                }
            }
        }
        if selection.modules.is_empty() && selection.tree.is_none() && selection.device.is_none() {
            return Err(CommandError::Unlimited);
        }
        Ok(selection)
    }
}

/// The maximum length of a module's name with its NUL, in bytes (`MODULE_NAME_LEN`).
pub const MODULE_NAME: usize = 56;

const WORDS: [&str; 9] = [
    "functions",
    "return",
    "module",
    "tree",
    "syscall",
    "device",
    "op",
    "status",
    "context",
];
const OPERATIONS: &str = "read, write, flush or discard";

fn operation(text: &str) -> Option<Operation> {
    Some(match text {
        "read" => Operation::Read,
        "write" => Operation::Write,
        "flush" => Operation::Flush,
        "discard" => Operation::Discard,
        _ => return None,
    })
}

fn device(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    let (major, minor) = (major.parse().ok()?, minor.parse().ok()?);
    // These are the limits of `dev_t`.
    (major < 1 << 12 && minor < 1 << 20).then_some((major, minor))
}

/// The reason why a command is refused. Its text says what is allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CommandError<'a> {
    /// The first word is no command.
    Unknown(&'a str),
    /// The word is no mode.
    Mode(&'a str),
    /// The word is not valid for this command.
    Word(&'a str),
    /// The value of a word is not valid.
    Value(&'a str, &'static str),
    /// A word occurs twice.
    Twice(&'a str),
    /// There are too many functions of `return=`.
    TooMany,
    /// The command lacks a required word.
    Missing(&'static str),
    /// Calls of the whole system would fail.
    Unlimited,
}

impl fmt::Display for CommandError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(word) => write!(
                f,
                "'{word}' is no command: functions, place, arm, disarm, status, points or forget"
            ),
            Self::Mode(word) => {
                write!(f, "'{word}' is no mode: discover, one, from, nth or random")
            }
            Self::Word(word) => write!(f, "'{word}' is no word of this command"),
            Self::Value(word, allowed) => write!(f, "'{word}': expected {allowed}"),
            Self::Twice(word) => write!(f, "'{word}': this word stands there twice"),
            Self::TooMany => write!(f, "return= can stand there at most {MAX_NAMED} times"),
            Self::Missing(what) => write!(f, "expected {what}"),
            Self::Unlimited => f.write_str(
                "at least one of module=, tree= and device= is required: otherwise calls of the \
                 whole system would fail",
            ),
        }
    }
}

impl<'a> Command<'a> {
    /// Parses a command.
    ///
    /// # Errors
    ///
    /// Returns the reason if the line is no valid command.
    pub fn parse(line: &'a str) -> Result<Self, CommandError<'a>> {
        let mut words = line.split_ascii_whitespace();
        let Some(verb) = words.next() else {
            return Err(CommandError::Missing(
                "functions, place, arm, disarm, status, points or forget",
            ));
        };
        let command = match verb {
            "place" => return Ok(Self::Place(Selection::parse(words)?)),
            "arm" => return Ok(Self::Arm(mode(words)?)),
            "functions" => Self::Functions,
            "disarm" => Self::Disarm,
            "status" => Self::Status,
            "points" => Self::Points,
            "forget" => Self::Forget,
            _ => return Err(CommandError::Unknown(verb)),
        };
        match words.next() {
            Some(word) => Err(CommandError::Word(word)),
            None => Ok(command),
        }
    }
}

fn mode(mut words: SplitAsciiWhitespace<'_>) -> Result<Mode, CommandError<'_>> {
    let missing = "discover, one ID, from ID, nth N or random PERCENT seed=N";
    let name = words.next().ok_or(CommandError::Missing(missing))?;
    let allowed: &[&str] = match name {
        "discover" | "nth" => &[],
        "one" => &["hit"],
        "from" => &["hit", "limit"],
        "random" => &["seed", "times"],
        _ => return Err(CommandError::Mode(name)),
    };
    let what = match name {
        "discover" => None,
        "one" | "from" => Some(
            words
                .next()
                .ok_or(CommandError::Missing("the id of a point"))?,
        ),
        _ => Some(words.next().ok_or(CommandError::Missing("a number"))?),
    };
    let mut values: [Option<u64>; 4] = [None; 4];
    const KEYS: [&str; 4] = ["hit", "limit", "seed", "times"];
    for word in words {
        let (key, value) = word.split_once('=').ok_or(CommandError::Word(word))?;
        let index = KEYS.iter().position(|known| *known == key);
        let place = index.and_then(|index| values.get_mut(index));
        let Some(place) = place.filter(|_| allowed.contains(&key)) else {
            return Err(CommandError::Word(word));
        };
        let number: Option<u64> = value.parse().ok();
        let number = number.filter(|number| key == "seed" || *number > 0);
        let number = number.ok_or(CommandError::Value(word, "a number above 0"))?;
        if place.replace(number).is_some() {
            return Err(CommandError::Twice(word));
        }
    }
    let [hit, limit, seed, times] = values;
    let what = what.unwrap_or_default();
    let point = || PointId::parse(what).ok_or(CommandError::Value(what, "16 hexadecimal digits"));
    let above_0 = |number: Option<u64>| number.and_then(NonZeroU64::new);
    let hit = above_0(hit).unwrap_or(NonZeroU64::MIN);
    Ok(match name {
        "discover" => Mode::Discover,
        "one" => Mode::One { id: point()?, hit },
        "from" => Mode::From {
            id: point()?,
            hit,
            limit: above_0(limit).unwrap_or(DEFAULT_LIMIT),
        },
        "nth" => Mode::Nth(
            what.parse()
                .map_err(|_| CommandError::Value(what, "a number above 0"))?,
        ),
        // "random"
        _ => {
            let percent = what
                .parse()
                .ok()
                .filter(|percent| (1..=100).contains(percent));
            Mode::Random {
                percent: percent.ok_or(CommandError::Value(what, "1 to 100 percent"))?,
                seed: seed.ok_or(CommandError::Missing("seed=N"))?,
                times: above_0(times),
            }
        }
    })
}
