// SPDX-License-Identifier: GPL-2.0

//! Parses the fault points that the injector prints, and decides whether they can fail outside of
//! a test.

use std::collections::HashMap;
use std::str::FromStr;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// A call that can be made to fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// The identifier, of 16 hexadecimal digits. It is the same after a reboot.
    pub id: String,
    /// The function that is called.
    pub function: String,
    /// The class of the function, such as `slab`.
    pub class: String,
    /// The value that a failed call returns.
    pub value: String,
    /// The context of the call: `task`, `softirq`, `hardirq` or `nmi`.
    pub context: String,
    /// The flags of an allocation.
    pub gfp: Option<u32>,
    /// The order of an allocation of pages.
    pub order: Option<u32>,
    /// The innermost return address in the module under test.
    pub site: String,
    /// The return addresses, innermost first.
    pub stack: Vec<String>,
}

/// A point, and how often it was called since the injector was armed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The point.
    pub point: Point,
    /// The number of calls.
    pub hits: u64,
}

/// The `key=value` words of a line.
pub struct Words<'a>(HashMap<&'a str, &'a str>);

impl<'a> Words<'a> {
    /// Parses a line.
    pub fn new(line: &'a str) -> Self {
        let pairs = line.split_whitespace();
        Self(pairs.filter_map(|word| word.split_once('=')).collect())
    }

    /// Returns the value of a key.
    ///
    /// # Errors
    /// Returns an error if the line has no such key.
    pub fn text(&self, key: &str) -> Result<&'a str> {
        let value = self.0.get(key).copied();
        value.with_context(|| format!("the injector's answer has no {key}="))
    }

    /// Returns the value of a key, as a number.
    ///
    /// # Errors
    /// Returns an error if the line has no such key, or if the value is no number.
    pub fn number(&self, key: &str) -> Result<u64> {
        let text = self.text(key)?;
        number(text).with_context(|| format!("the injector's answer has {key}={text}"))
    }

    /// Returns the value of a key, which is a number or `none`.
    fn optional(&self, key: &str) -> Result<Option<u32>> {
        match self.text(key)? {
            "none" => Ok(None),
            _ => Ok(Some(u32::try_from(self.number(key)?)?)),
        }
    }
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

impl FromStr for Seen {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Self> {
        let words = Words::new(line);
        let text = |key| words.text(key).map(str::to_owned);
        let optional = |key| Ok::<_, anyhow::Error>(words.text(key).unwrap_or_default().to_owned());
        Ok(Self {
            hits: words.number("hits")?,
            point: Point {
                id: text("id")?,
                function: text("function")?,
                class: text("class")?,
                value: text("value")?,
                context: text("context")?,
                gfp: words.optional("gfp")?,
                order: words.optional("order")?,
                // Both are missing if the injector had no memory for the names.
                site: optional("site")?,
                stack: optional("stack")?.split(',').map(str::to_owned).collect(),
            },
        })
    }
}

/// Whether a call can fail in normal use, by the rules of the page allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plausible {
    /// The call can fail, for this reason.
    Today(&'static str),
    /// The call fails only if the OOM killer has chosen the task as its victim. Otherwise the
    /// allocator tries again.
    VictimOnly,
    /// The call is no allocation.
    Unknown,
}

/// C source: `include/linux/gfp_types.h`.
const DIRECT_RECLAIM: u32 = 1 << 10;
const RETRY_MAYFAIL: u32 = 1 << 14;
const NORETRY: u32 = 1 << 16;
const ACCOUNT: u32 = 1 << 22;
/// `PAGE_ALLOC_COSTLY_ORDER`: the allocator fails allocations of a larger order.
const COSTLY: u32 = 3;

impl Point {
    /// Returns how plausible it is that the call fails outside of a test.
    pub fn plausible(&self) -> Plausible {
        use Plausible::{Today, Unknown, VictimOnly};
        match (self.class.as_str(), self.gfp) {
            ("percpu", _) => Today("a per-CPU allocation"),
            ("vmalloc", _) => Today("a vmalloc allocation"),
            (_, Some(gfp)) if gfp & DIRECT_RECLAIM == 0 => Today("it does not wait for memory"),
            (_, Some(gfp)) if gfp & (NORETRY | RETRY_MAYFAIL) != 0 => {
                Today("its flags allow it to fail")
            }
            (_, Some(_)) if self.order.is_some_and(|order| order > COSTLY) => {
                Today("its order is above 3")
            }
            (_, Some(gfp)) if gfp & ACCOUNT != 0 => Today("it is charged to a memory cgroup"),
            (_, Some(_)) => VictimOnly,
            (_, None) => Unknown,
        }
    }

    /// Returns a point of which only the id is known.
    pub fn unknown(id: &str) -> Self {
        let unknown = || "unknown".to_owned();
        Self {
            id: id.to_owned(),
            function: unknown(),
            class: unknown(),
            value: unknown(),
            context: unknown(),
            gfp: None,
            order: None,
            site: unknown(),
            stack: Vec::new(),
        }
    }

    /// Returns the first line of each log and report of a fault at this point.
    pub fn title(&self) -> String {
        format!(
            "FAULT INJECTED: {} returns {} at {}",
            self.function, self.value, self.site
        )
    }
}

impl std::fmt::Display for Plausible {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Today(reason) => write!(f, "can fail today: {reason}"),
            Self::VictimOnly => f.write_str("fails only for a victim of the OOM killer"),
            Self::Unknown => f.write_str("not known: it is no allocation"),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Returns a line in the format of the injector.
    pub fn line(id: u64, hits: u64) -> String {
        format!(
            "id={id:016x} function=__kmalloc_noprof class=slab value=null hits={hits} failed=0 \
             retries=0 context=task gfp=0xcc0 order=none comm=modprobe site=zram:zram_add+0x1f \
             stack=zram:zram_add+0x1f,do_one_initcall+0x5c"
        )
    }

    #[test]
    fn a_line_is_read() {
        let seen: Seen = line(0xabc, 3).parse().unwrap();
        assert_eq!((seen.hits, seen.point.id.as_str()), (3, "0000000000000abc"));
        assert_eq!(seen.point.gfp, Some(0xcc0));
        assert_eq!(seen.point.order, None);
        assert_eq!(seen.point.stack.len(), 2);
        let title = seen.point.title();
        assert_eq!(
            title,
            "FAULT INJECTED: __kmalloc_noprof returns null at zram:zram_add+0x1f"
        );
        let error = line(1, 1).replace("hits=1", "hits=x").parse::<Seen>();
        assert_eq!(
            error.unwrap_err().to_string(),
            "the injector's answer has hits=x"
        );
        assert!("id=1".parse::<Seen>().is_err());
    }

    #[test]
    fn plausibility_follows_from_flags_order_and_class() {
        let point = |change: &str, to: &str| {
            let seen: Seen = line(1, 1).replace(change, to).parse().unwrap();
            seen.point.plausible()
        };
        let today = |plausible| matches!(plausible, Plausible::Today(_));
        // GFP_KERNEL
        assert_eq!(point("", ""), Plausible::VictimOnly);
        // GFP_ATOMIC, GFP_NOWAIT
        assert!(today(point("0xcc0", "0x820")) && today(point("0xcc0", "0x2800")));
        // GFP_KERNEL_ACCOUNT, with __GFP_NORETRY
        assert!(today(point("0xcc0", "0x400cc0")) && today(point("0xcc0", "0x10cc0")));
        assert!(today(point("order=none", "order=4")));
        assert_eq!(point("order=none", "order=3"), Plausible::VictimOnly);
        assert!(today(point("class=slab", "class=percpu")));
        assert!(today(point("class=slab", "class=vmalloc")));
        assert_eq!(point("gfp=0xcc0", "gfp=none"), Plausible::Unknown);
    }
}
